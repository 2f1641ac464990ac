"""What `segue up` passes on to its processes of the environment that it was started with."""

from service.up import kept


def test_processes_reach_the_cluster_whose_pod_they_run_in_and_the_login_of_a_clouds_plugin():
    needed = {
        "KUBERNETES_SERVICE_HOST": "10.96.0.1",
        "KUBERNETES_SERVICE_PORT": "443",
        "AWS_PROFILE": "models",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/token",
        "AZURE_CLIENT_ID": "0",
        "AAD_LOGIN_METHOD": "workloadidentity",
        "GOOGLE_APPLICATION_CREDENTIALS": "/key.json",
        "CLOUDSDK_CONFIG": "/gcloud",
        "HTTPS_PROXY": "http://proxy:3128",
        "UV_INDEX_URL": "https://index.example/simple",
        "PATH": "/usr/bin",
    }
    assert (
        kept({**needed, "SEGUE_HOME": "/old", "LD_PRELOAD": "x", "PYTHONPATH": "/x", "EDITOR": "vi"})
        == needed
    )
