module segue.test/peers/app

go 1.26
