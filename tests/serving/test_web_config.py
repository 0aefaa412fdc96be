"""The web configuration is read as strictly as promtool reads it, and says where it is wrong."""

import subprocess
from pathlib import Path

import pytest

from exporter.serving.web_config import WebConfigError, load_web_config
from tests.support.certificates import make_certificates
from tests.support.requirements import require_command

TLS = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"
HASH = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"
TOO_DEAR = HASH.replace("$10$", "$40$")

TABLE = {
    "": True,
    "{}\n": True,
    TLS: True,
    "tls_server_config:\n": True,
    "http_server_config:\nbasic_auth_users:\n": True,
    "tls_server_config:\n  min_version: TLS12\n": True,
    "tls_server_config:\n  client_auth_type: NoClientCert\n": False,
    "tls_server_config:\n  cert_file: server.pem\n": False,
    "tls_server_config:\n  key_file: server.key\n": False,
    "tls_server_config:\n  cert_file: absent.pem\n  key_file: server.key\n": False,
    "tls_server_config:\n  cert_file: server.key\n  key_file: server.pem\n": False,
    "tls_server_config:\n  cert_file: server.pem\n  key_file: client.key\n": False,
    "tls_server_config:\n  cert_file: server.pem\n  key_file: web.yml\n": False,
    f"{TLS}  client_auth_type: RequestClientCert\n": True,
    f"{TLS}  client_auth_type: RequireAnyClientCert\n": True,
    f"{TLS}  client_auth_type: RequireClientCert\n": True,
    f"{TLS}  client_auth_type: VerifyClientCertIfGiven\n": True,
    f"{TLS}  client_auth_type: RequireAndVerifyClientCert\n": True,
    f"{TLS}  client_auth_type: ''\n": True,
    f"{TLS}  client_auth_type: Everybody\n": False,
    f"{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n": True,
    f"{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: absent.pem\n": False,
    f"{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: server.key\n": True,
    f"{TLS}  client_auth_type: NoClientCert\n  client_ca_file: ca.pem\n": False,
    f"{TLS}  client_ca_file: ca.pem\n": False,
    **{f"{TLS}  min_version: {version}\n": True for version in ("TLS10", "TLS11", "TLS12", "TLS13", "")},
    f"{TLS}  min_version: TLS13\n  max_version: TLS12\n": True,
    f"{TLS}  min_version: SSL30\n": False,
    f"{TLS}  max_version: 1.3\n": False,
    f"{TLS}  cipher_suites: [TLS_AES_128_GCM_SHA256]\n": True,
    f"{TLS}  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_RSA_WITH_AES_128_CBC_SHA]\n": True,
    f"{TLS}  cipher_suites: []\n": True,
    f"{TLS}  cipher_suites:\n": True,
    f"{TLS}  cipher_suites: TLS_AES_128_GCM_SHA256\n": False,
    f"{TLS}  cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]\n": False,
    f"{TLS}  curve_preferences: [X25519, CurveP256]\n": True,
    f"{TLS}  curve_preferences: [CurveP224]\n": False,
    f"{TLS}  prefer_server_cipher_suites: no\n": True,
    f"{TLS}  prefer_server_cipher_suites: maybe\n": False,
    f"{TLS}  unknown: 1\n": False,
    f"{TLS}  cert_file: server.pem\n": False,
    "http_server_config:\n  http2: false\n": True,
    "http_server_config:\n  http2: On\n": True,
    "http_server_config:\n  http2: 1\n": False,
    "http_server_config:\n  headers:\n    Strict-Transport-Security: max-age=31536000\n": True,
    "http_server_config:\n  headers:\n    X-Content-Type-Options: nosniff\n": True,
    "http_server_config:\n  headers:\n    X-Content-Type-Options: sniff\n": False,
    "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    X-XSS-Protection: 1\n": True,
    "http_server_config:\n  headers:\n    X-Frame-Options: DENY\n": False,
    'http_server_config:\n  headers:\n    Content-Security-Policy: "a\\nb"\n': True,
    "http_server_config:\n  headers:\n    X-Other: y\n": False,
    f"basic_auth_users:\n  one: {HASH}\n  two: {HASH}\n": True,
    f"basic_auth_users:\n  one: {HASH}\n  one: {HASH}\n": False,
    f"basic_auth_users:\n  'a:b': {HASH}\n": True,
    f"basic_auth_users:\n  one: {TOO_DEAR}\n": False,
    f"basic_auth_users:\n  one: {HASH.replace('$2y', '$3y')}\n": False,
    f"basic_auth_users:\n  one: {HASH[:-10]}\n": False,
    "basic_auth_users:\n  one: secret\n": False,
    "basic_auth_users:\n  one:\n": False,
    "basic_auth_users: [one]\n": False,
    "other:\n": False,
    "[]\n": False,
    "words\n": False,
    "tls_server_config: [\n": False,
    "\xff": False,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with certificates."""
    made = tmp_path_factory.mktemp("web")
    make_certificates(made)
    return made


def verdict(file: Path) -> bool:
    """Tell whether a file is accepted."""
    try:
        load_web_config(str(file))
    except WebConfigError:
        return False
    return True


@pytest.mark.parametrize("text", TABLE)
def test_the_verdict_is_promtools(folder: Path, text: str) -> None:
    """From any working directory: names of files are seen from the folder of the configuration."""
    file = folder / "web.yml"
    file.write_text(text)
    promtool = require_command("promtool", "prometheus")
    oracle = subprocess.run([promtool, "check", "web-config", file], capture_output=True, check=False)
    assert (oracle.returncode == 0) == TABLE[text]
    assert TABLE[text] == verdict(file)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tls_server_config:\n  cert_fil: x\n", "2:3: tls_server_config.cert_fil: unknown key; did you mean"),
        (f"{TLS}  min_version: SSL30\n", "4:16: tls_server_config.min_version: 'SSL30' is not one of TLS10"),
        (
            "tls_server_config:\n  cert_file: absent.pem\n  key_file: server.key\n",
            "2:14: tls_server_config.cert_file: ",
        ),
        ("basic_auth_users:\n  one: secret\n", "2:8: basic_auth_users: the password is not a bcrypt hash"),
        ("\tx", "1:1: not valid YAML: "),
        (
            f"{TLS}  client_allowed_sans: [x]\n",
            "4:24: tls_server_config.client_allowed_sans: client_auth_type",
        ),
    ],
)
def test_a_problem_is_told_with_its_place(folder: Path, text: str, problem: str) -> None:
    """A hash, or what stands in its place, is not shown."""
    file = folder / "web.yml"
    file.write_text(text)
    with pytest.raises(WebConfigError) as raised:
        load_web_config(str(file))
    (told,) = raised.value.problems
    assert told.startswith(f"{file}:{problem}")
    assert "secret" not in told


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(WebConfigError, match=str(path)):
            load_web_config(str(path))


def test_a_line_break_in_a_header_is_a_space(folder: Path) -> None:
    file = folder / "web.yml"
    file.write_text('http_server_config:\n  headers:\n    X-XSS-Protection: "a\\r\\nSet-Cookie: b"\n')
    (value,) = load_web_config(str(file)).settings.headers.values()
    assert value == "a  Set-Cookie: b"
