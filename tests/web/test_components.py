"""The components that pages are made of: templates/components and portal/templatetags/ui.py."""

import pytest
from django import forms
from django.core.paginator import Paginator
from django.template import engines
from django.template.loader import render_to_string
from django.test import RequestFactory

from tests.web.html import assert_no_inline, parse


class SampleForm(forms.Form):
    name = forms.CharField(max_length=5, help_text="As others see it.")
    note = forms.CharField(required=False)
    public = forms.BooleanField(required=False)
    zone = forms.ChoiceField(choices=[("a", "Zone A"), ("b", "Zone B")], widget=forms.RadioSelect)


def render(source, **context):
    html = engines["django"].from_string("{% load ui %}" + source).render(context)
    assert_no_inline(html)
    return html


def field(form, name):
    return parse(render('{% include "components/_field.html" %}', field=form[name]))


def test_icon_is_hidden_from_assistive_technology_and_points_into_the_sprite():
    svg = parse(render('{% icon "copy" "s" %}')).one("svg")
    assert svg.attrs == {"class": "icon s", "aria-hidden": "true"}
    assert svg.one("use").attrs["href"] == "/static/icons.svg#copy"


def test_icon_name_is_escaped():
    assert "<script" not in render("{% icon name %}", name='"><script>')


def test_a_wrong_field_is_described_by_its_error_and_its_hint():
    page = field(SampleForm({"name": "too long"}), "name")
    control = page.one("input")
    assert control.attrs["aria-invalid"] == "true"
    described = control.attrs["aria-describedby"].split()
    assert described == ["id_name_helptext", "id_name_error"]
    assert [page.by_id(one).text() for one in described] == [
        "As others see it.",
        "Ensure this value has at most 5 characters (it has 8).",
    ]
    assert page.one("label").attrs["for"] == control.attrs["id"]


def test_a_right_field_has_no_error_and_says_when_it_is_optional():
    page = field(SampleForm(), "note")
    assert "aria-invalid" not in page.one("input").attrs
    assert page.one("label").text() == "Note (optional)"


def test_a_checkbox_stands_before_its_label_and_radios_in_a_fieldset():
    check = field(SampleForm(), "public")
    assert [child.tag for child in check.one("div").children][:2] == ["input", "label"]
    radios = field(SampleForm({"zone": "x"}), "zone")
    assert radios.one("legend").text() == "Zone"
    assert radios.one("fieldset").attrs["aria-describedby"] == "id_zone_error"
    assert [radio.attrs["type"] for radio in radios.all("input")] == ["radio", "radio"]


def test_error_summary_counts_and_links_to_every_wrong_field():
    form = SampleForm({"name": "too long"})
    form.add_error(None, "The quota is used up.")
    page = parse(render('{% include "components/_form_errors.html" %}', form=form))
    note = page.one("div")
    assert note.attrs["role"] == "alert"
    assert "The quota is used up." in note.text()
    assert "2 fields need your attention" in note.text()
    assert [link.attrs["href"] for link in note.all("a")] == ["#id_name", "#id_zone"]
    form = SampleForm({"name": "too long", "zone": "a"})
    assert "1 field needs your attention" in render('{% include "components/_form_errors.html" %}', form=form)
    form = SampleForm({"name": "short", "zone": "a"})
    assert form.is_valid()
    assert "note" not in render('{% include "components/_form_errors.html" %}', form=form)


@pytest.mark.parametrize("state", ["queued", "receiving", "verifying", "ready", "failed", "deleting"])
def test_a_chip_says_its_state_in_words_and_to_scripts(state):
    source = '{% include "components/_chip.html" with zone="Frankfurt" slug="fra" percent=38 error="Disk full." %}'
    page = parse(render(source, state=state))
    (chip,) = (node for node in page.walk() if "data-state" in node.attrs)
    assert (chip.attrs["data-zone"], chip.attrs["data-state"]) == ("fra", state)
    words = {"receiving": "38%", "failed": "Disk full."}
    assert "Frankfurt" in chip.text()
    assert words.get(state, state) in chip.text()


def test_a_failed_chip_offers_retry_by_post_with_the_names():
    source = (
        '{% include "components/_chip.html" with zone="Frankfurt" slug="fra" state="failed" error="Disk full."'
        ' retry_url="/retry/" iso_name="Debian" %}'
    )
    page = parse(render(source))
    assert page.one("form").attrs == {"method": "post", "action": "/retry/"}
    assert page.one("button").text() == "Frankfurt failed · Retry Debian in Frankfurt. Disk full."


def test_quota_says_what_is_used_and_shows_when_it_is_full():
    source = '{% include "components/_quota.html" with label="ISO images" limit=10 %}'
    page = parse(render(source, used=7))
    assert page.one("div").text() == "ISO images 7 of 10 used"
    assert page.one("progress").attrs == {"max": "10", "value": "7", "aria-label": "ISO images, 7 of 10 used"}
    assert parse(render(source, used=10)).one("progress").attrs["class"] == "full"


def test_progress_of_unknown_length_has_no_value():
    source = '{% include "components/_progress.html" with label="Receiving" %}'
    assert parse(render(source, percent=0)).one("progress").attrs["value"] == "0"
    assert "value" not in parse(render(source, percent=None)).one("progress").attrs


def pagination(page, query=""):
    request = RequestFactory().get(f"/isos/?{query}")
    html = render_to_string("components/_pagination.html", {"page": page, "noun": "images"}, request)
    assert_no_inline(html)
    return parse(html)


def test_pagination_keeps_the_filters_and_marks_the_page():
    pages = pagination(Paginator(range(95), 10).page(3), "q=debian&page=3")
    assert pages.one("span").text() == "Showing 21–30 of 95 images"
    links = {link.attrs["aria-label"]: link.attrs for link in pages.all("a")}
    assert links["Next page"]["href"] == "?q=debian&page=4"
    assert [label for label, attrs in links.items() if "aria-current" in attrs] == ["Page 3"]


def test_pagination_of_one_page_has_no_links():
    assert not pagination(Paginator(range(1), 10).page(1)).all("a")
    assert pagination(Paginator([], 10).page(1)).one("span").text() == "No images"


def test_crumbs_end_with_the_page_itself():
    page = parse(render('{% crumbs "ISO images" "/isos/" here %}', here="<b>"))
    assert [item.text() for item in page.all("li")] == ["ISO images", "<b>"]
    assert page.one("a").attrs["href"] == "/isos/"
    assert page.all("li")[1].attrs["aria-current"] == "page"


def test_empty_state_has_a_sentence_and_a_next_step():
    source = (
        '{% include "components/_empty.html" with title="No ISO images yet" text="Upload one."'
        ' action_url="/up/" action="Upload ISO" %}'
    )
    page = parse(render(source))
    assert page.one("h2").text() == "No ISO images yet"
    assert page.one("a").text() == "Upload ISO"


@pytest.mark.parametrize(
    ("os_type", "own", "expected"),
    [("bsd", "", "server"), ("linux", "brand-debian", "brand-debian"), ("?", "", "disc")],
)
def test_os_icon(os_type, own, expected):
    assert render("{{ os_type|os_icon:own }}", os_type=os_type, own=own) == expected
