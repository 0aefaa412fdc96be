"""A real Prometheus scrapes over mutual TLS with a password, also after the certificate was renewed."""

from pathlib import Path

import bcrypt
import yaml

from tests.support.certificates import make_certificates
from tests.support.daemon import running_daemon
from tests.support.debian import running_server
from tests.support.patience import wait_until
from tests.support.prometheus import Prometheus

PASSWORD = "correct horse"  # noqa: S105 - of a test


def test_prometheus_scrapes_over_mutual_tls_with_a_password(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode()
    web = {
        "tls_server_config": {
            "cert_file": "server.pem",
            "key_file": "server.key",
            "client_auth_type": "RequireAndVerifyClientCert",
            "client_ca_file": "ca.pem",
            "client_allowed_sans": ["prometheus.example"],
            "min_version": "TLS13",
        },
        "basic_auth_users": {"prometheus": hashed},
    }
    (tmp_path / "web.yml").write_text(yaml.safe_dump(web))
    flag = f"--web.config.file={tmp_path / 'web.yml'}"
    with running_daemon(flag, "--log.level=info", ready=False) as daemon:
        scrape = {
            "job_name": "netstat",
            "scheme": "https",
            "static_configs": [{"targets": [f"localhost:{daemon.port}"]}],
            "basic_auth": {"username": "prometheus", "password": PASSWORD},
            "tls_config": {
                "ca_file": str(certificates.ca),
                "cert_file": str(tmp_path / "client.pem"),
                "key_file": str(tmp_path / "client.key"),
            },
        }
        strange = {**scrape, "job_name": "strange", "basic_auth": {"username": "prometheus", "password": "x"}}
        config = {
            "global": {"scrape_interval": "2s", "scrape_timeout": "2s"},
            "scrape_configs": [scrape, strange],
        }
        data = f"--storage.tsdb.path={tmp_path / 'data'}"
        with running_server(Prometheus, "prometheus", tmp_path, yaml.safe_dump(config), data) as prometheus:
            wait_until(lambda: list(prometheus.query('up{job="netstat"}').values()) == [1])
            wait_until(lambda: list(prometheus.query('up{job="strange"}').values()) == [0])
            wait_until(lambda: bool(prometheus.query("netstat_sockets")))
            certificates.issue("server", "localhost")
            daemon.wait_for("web configuration reloaded")
            scraped = 'count_over_time((up{job="netstat"} == 1)[2s:500ms]) >= 4'
            wait_until(lambda: bool(prometheus.query(scraped)))
