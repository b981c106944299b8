"""The published example: WordPress and its database in one sandbox, used as a person would through a browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from support import wordpress_images
from support.instance import Instance
from support.registry import registry
from support.waiting import wait_until

ID = "sbx-wordpress-demo"
HOST_PORT = 30080
SITE = f"http://127.0.0.1:{HOST_PORT}"
TITLE, TEXT = "A post from the test", "These words are to be there after a reload."
OWNER = {"log": "owner", "pwd": "a long and quiet passphrase 7"}
# What PHP waits for, as on the page.
WAIT_FOR_DATABASE = (
    "for i in $(seq 1 90); do php -r "
    "'$s=@fsockopen(\"127.0.0.1\",3306,$e,$es,1); if($s){fclose($s); exit(0);} exit(1);' && break; sleep 2; done; "
    "exec docker-entrypoint.sh apache2-foreground"
)
BUILD_AND_RUN_SECONDS = 900  # a machine without the images builds them first


def payload(address: str) -> dict[str, Any]:
    """The page's create payload, with the images of a registry at `address` and nothing else changed."""
    return {
        "id": ID,
        "egress": True,
        "ports": [{"hostPort": HOST_PORT, "containerPort": 80, "protocol": "tcp"}],
        "containers": [
            {
                "name": "wordpress",
                "image": f"{address}/{wordpress_images.WORDPRESS}",
                "args": ["sh", "-c", WAIT_FOR_DATABASE],
                "env": [
                    "WORDPRESS_DB_HOST=127.0.0.1:3306",
                    "WORDPRESS_DB_USER=wordpress",
                    "WORDPRESS_DB_PASSWORD=wordpress-pass",
                    "WORDPRESS_DB_NAME=wordpress",
                ],
                "workDir": "",
                "resource": {"cpu": "200m", "memory": "512Mi"},
            },
            {
                "name": "mysql",
                "image": f"{address}/{wordpress_images.MYSQL}",
                "args": [],
                "env": [
                    "MYSQL_DATABASE=wordpress",
                    "MYSQL_USER=wordpress",
                    "MYSQL_PASSWORD=wordpress-pass",
                    "MYSQL_ROOT_PASSWORD=root-pass",
                ],
                "workDir": "",
                "resource": {"cpu": "200m", "memory": "768Mi"},
            },
        ],
    }


@pytest.fixture(scope="module")
def image_address() -> Iterator[str]:
    with registry(wordpress_images.store(), read_only=True) as address:
        yield address


def browser() -> httpx.Client:
    """A new session: no cookies. A page costs a gVisor sandbox with a fifth of a core seconds."""
    return httpx.Client(base_url=SITE, timeout=120, follow_redirects=True, trust_env=False)


def node_path(platform: Instance) -> str:
    """The node's sandboxes, through the control plane."""
    (node,) = platform.get("/api/v1/nodes")["items"]
    return f"/api/v1/nodes/{node['id']}/sandboxes"


def wait_install_page(platform: Instance, path: str) -> httpx.Response:
    """Until WordPress offers to install itself; a sandbox that failed ends the wait with its reason."""
    failure = ""

    def look() -> httpx.Response | str | None:
        nonlocal failure
        item = platform.get(f"{path}/{ID}")["sandbox"]
        if item["phase"] not in ("creating", "running"):
            failure = f"{item['phase']}: {item.get('error')}"
            return failure
        with browser() as fresh:
            answer = fresh.get("/")
        return answer if answer.is_success else None

    found = wait_until(look, "the install page", 240, every=0.5)
    assert isinstance(found, httpx.Response), failure
    return found


def install(session: httpx.Client) -> None:
    form = {
        "weblog_title": "Sandbox",
        "user_name": OWNER["log"],
        "admin_password": OWNER["pwd"],
        "admin_password2": OWNER["pwd"],
        "admin_email": "owner@example.org",
        "blog_public": "0",
        "language": "",
    }
    answer = session.post("/wp-admin/install.php", params={"step": "2"}, data=form)
    assert answer.is_success and "Success!" in answer.text, answer.text[-2000:]


def publish(session: httpx.Client) -> int:
    """Log in and write a post as the editor does; the post's number."""
    session.get("/wp-login.php")  # sets the cookie that proves that cookies work
    answer = session.post("/wp-login.php", data={**OWNER, "testcookie": "1"}, follow_redirects=False)
    assert answer.status_code == 302, answer.text[-2000:]
    nonce = session.get("/wp-admin/admin-ajax.php", params={"action": "rest-nonce"}).text
    post = {"title": TITLE, "content": TEXT, "status": "publish"}
    made = session.post("/", params={"rest_route": "/wp/v2/posts"}, json=post, headers={"X-WP-Nonce": nonce})
    assert made.status_code == 201, made.text[-2000:]
    return int(made.json()["id"])


@pytest.mark.timeout(BUILD_AND_RUN_SECONDS)
def test_the_published_example_is_installed_and_keeps_a_post(platform: Instance, image_address: str) -> None:
    path = node_path(platform)
    accepted = platform.client.post(path, json=payload(image_address))
    assert accepted.status_code == 200, accepted.text
    try:
        page = wait_install_page(platform, path)
        assert page.url.path == "/wp-admin/install.php" and "WordPress" in page.text, page.text[:2000]
        with browser() as session:
            install(session)
            number = publish(session)
            for _ in range(2):  # the page, and the same page again
                shown = session.get("/", params={"p": number})
                assert shown.is_success and TITLE in shown.text and TEXT in shown.text
        with browser() as stranger:  # another browser, which is nobody
            assert TEXT in stranger.get("/", params={"p": number}).text
            refused = stranger.post(
                "/", params={"rest_route": "/wp/v2/posts"}, json={"title": "x", "status": "publish"}
            )
            assert refused.status_code == 401, refused.text
        item = platform.get(f"{path}/{ID}")["sandbox"]
        assert item["phase"] == "running"
        assert {one["runtime"] for one in item["containers"].values()} == {"runsc"}
    except AssertionError as error:
        logs = platform.get(f"{path}/{ID}/logs")["logs"]["lines"]
        error.add_note("\n".join(logs[-40:]))
        raise
    finally:
        assert platform.client.delete(f"{path}/{ID}").status_code == 200
