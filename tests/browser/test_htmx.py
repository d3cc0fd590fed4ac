"""How static/app.js and htmx behave together, with answers given by the test."""

import re

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

BUTTON = (
    '<button id="ask" type="button" hx-post="/answer/" hx-target="#{target}">Ask</button><p id="place">as it was</p>'
)
ERROR_PAGE = "<main><h1>No</h1><div data-error><p>The zone is full. Choose another.</p></div></main>"
DIALOG = """
<dialog data-open aria-labelledby="dialog-title"><h2 id="dialog-title">Sure?</h2>
<button type="button" data-close>Cancel</button></dialog>
"""


@pytest.fixture
def page(open_browser, owner):
    page = open_browser(owner)
    page.goto("/accounts/profile/")
    return page


def put_button(page, target="place"):
    page.evaluate(
        "html => { const main = document.getElementById('main'); main.innerHTML += html; htmx.process(main); }",
        BUTTON.format(target=target),
    )
    return page.get_by_role("button", name="Ask")


def answer(page, body, status=200):
    page.unroute_all()
    page.route("**/answer/", lambda route: route.fulfill(status=status, body=body, content_type="text/html"))


def note(page):
    return page.locator("#connection-note")


def test_the_token_is_the_cookie_of_now(page):
    button = put_button(page)
    answer(page, "first")
    for value in ("a" * 32, "b" * 32):
        page.context.add_cookies([{"name": "csrftoken", "value": value, "url": page.url}])
        with page.expect_request("**/answer/") as asked:
            button.click()
        assert asked.value.headers["x-csrftoken"] == value
        page.get_by_text("first").wait_for()


def test_an_error_page_is_said_and_not_swapped_in(page):
    button = put_button(page)
    answer(page, ERROR_PAGE, status=409)
    button.click()
    page.get_by_text("The zone is full. Choose another.").wait_for()
    assert note(page).is_visible()
    assert page.locator("#place").inner_text() == "as it was"
    page.complaints.expect("409")
    answer(page, "done")
    button.click()
    page.get_by_text("done").wait_for()
    assert not note(page).is_visible()


def test_a_form_with_errors_is_swapped_in(page):
    button = put_button(page)
    answer(page, '<input name="wrong" aria-label="Wrong" data-focus>', status=422)
    button.click()
    page.get_by_label("Wrong").wait_for()
    page.wait_for_function("document.activeElement.name === 'wrong'")
    assert not note(page).is_visible()
    page.complaints.expect("422")


def test_a_lost_connection_is_said_until_it_is_back(page):
    button = put_button(page)
    page.route("**/answer/", lambda route: route.abort())
    button.click()
    page.get_by_text(re.compile("can’t be reached")).wait_for()
    page.complaints.expect("ERR_FAILED")
    page.complaints.expect("htmx:error")
    answer(page, "back again")
    button.click()
    page.get_by_text("back again").wait_for()
    assert not note(page).is_visible()


@pytest.mark.parametrize("way", ["Escape", "Cancel"])
def test_a_dialog_opens_closes_and_gives_the_focus_back(page, way):
    button = put_button(page, target="dialog")
    answer(page, DIALOG)
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Sure?")
    dialog.wait_for()
    assert dialog.evaluate("node => node.matches(':modal')")
    if way == "Escape":
        page.keyboard.press("Escape")
    else:
        dialog.get_by_role("button", name="Cancel").click()
    dialog.wait_for(state="detached")
    assert button.evaluate("node => node === document.activeElement")


def test_nothing_of_htmx_is_refused_by_the_policy(page):
    """No style element of its own, no history of pages kept in the browser's storage."""
    put_button(page)
    assert page.evaluate("document.querySelectorAll('style').length + document.adoptedStyleSheets.length") == 0
    assert page.evaluate("Object.keys(sessionStorage).length + Object.keys(localStorage).length") == 0
