module segue.test/definitions

go 1.26.4

// The definitions of custom resources that tests install; nothing of these is built.
require (
	github.com/traefik/traefik/v3 v3.7.13
	istio.io/api v1.32.0
)
