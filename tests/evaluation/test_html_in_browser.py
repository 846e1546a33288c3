"""The pages in a real browser: nothing is complained of, filters work by keyboard and by link, and it all fits."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tagger.evaluation.html import render_comparison_html, render_html
from tagger.training.run import train
from tests.cli.command import call
from tests.conftest import change, small_config, write_head
from tests.evaluation import examples
from tests.evaluation.chromium import EXECUTABLE, Tab, open_browser

pytestmark = [
    pytest.mark.chromium,
    pytest.mark.skipif(EXECUTABLE is None, reason="no Chromium: install chromium to open the pages in a browser"),
]
CORPORA = Path(__file__).parents[3] / "shared" / "data"
PAGES = ("spans", "tags", "comparison")
SHOWN = "[...document.querySelectorAll('#error-list > li')].filter(row => row.checkVisibility()).length"
STATUS = "document.getElementById('error-status').textContent"
# The contrast of every visible text with what stands behind it: WCAG 2.1 asks for 4.5, for large text 3.
CONTRAST = """(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const over = (colour, behind) => {
    canvas.fillStyle = `rgb(${behind.join(' ')})`; canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const light = rgb => rgb.map(c => c / 255).map(c => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const behind = element => {
    const chain = []; for (let e = element; e; e = e.parentElement) chain.unshift(e);
    return chain.reduce((colour, e) => over(getComputedStyle(e).backgroundColor, colour), [255, 255, 255]);
  };
  const poor = [];
  for (const e of document.querySelectorAll('body *')) {
    const words = [...e.childNodes].filter(n => n.nodeType === 3 && n.data.trim());
    if (!words.length || !e.checkVisibility() || ['SCRIPT', 'OPTION'].includes(e.tagName)) continue;
    if (e.closest('.none')) continue;  // the dots of empty cells
    const style = getComputedStyle(e), ground = behind(e);
    const ink = over(e.namespaceURI.endsWith('svg') ? style.fill : style.color, ground);
    const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
    const found = (a + .05) / (b + .05), wanted = parseFloat(style.fontSize) >= 24 ? 3 : 4.5;
    if (found < wanted) poor.push(`${e.tagName}.${e.className} ${words[0].data.trim()} ${found}`);
  }
  return poor;
})()"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with open_browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    written = {
        "spans": render_html(examples.span_report()),
        "tags": render_html(examples.tag_report()),
        "comparison": render_comparison_html(examples.comparison()),
    }
    for name, html in written.items():
        (folder / f"{name}.html").write_text(html, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in written}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_opens_without_a_complaint_fits_and_can_be_read(
    tab: Tab, pages: dict[str, Path], name: str, width: int, dark: bool
) -> None:
    tab.open(pages[name], width=width, dark=dark)
    assert tab.run("document.documentElement.scrollWidth") <= width
    tab.run("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert tab.run("document.documentElement.scrollWidth") <= width
    assert tab.run(CONTRAST) == []
    ground = tab.run("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(20, 23, 27)" if dark else "rgb(255, 255, 255)")
    assert tab.complaints == []


@pytest.mark.parametrize(
    ("name", "sections"),
    [
        ("spans", "scores baselines labels failures confusions errors trust suspects curve making"),
        ("tags", "scores baselines labels failures confusions errors trust suspects curve making"),
        ("comparison", "systems pair-0 errors"),
    ],
)
def test_every_section_is_there_and_not_empty(tab: Tab, pages: dict[str, Path], name: str, sections: str) -> None:
    tab.open(pages[name])
    found = tab.run(
        "[...document.querySelectorAll('section')].filter(e => e.offsetHeight > 60).map(e => e.id).join(' ')"
    )
    assert found == sections
    assert tab.run("[...document.querySelectorAll('nav a')].map(e => e.hash.slice(1)).join(' ')") == sections
    assert tab.run("[...document.querySelectorAll('svg[role=img]')].every(e => e.getBBox().height > 100)")


def test_a_complaint_would_be_noticed(tab: Tab, pages: dict[str, Path], tmp_path: Path) -> None:
    page = tmp_path / "worse.html"
    html = pages["tags"].read_text(encoding="utf-8")
    worse = '<script>alert(1)</script><img src="http://127.0.0.1:9/"><p style="color: red">x<p><font color="#999">pale'
    page.write_text(html.replace("</main>", f"{worse}</main>"), encoding="utf-8")
    tab.open(page)
    told = " ".join(tab.complaints)
    assert all(rule in told for rule in ("script-src", "img-src", "style-src"))
    assert len(tab.run(CONTRAST)) == 1


@pytest.mark.parametrize(
    ("name", "fragment", "shown"),
    [
        ("spans", "", 4),
        ("spans", "#kind=missed", 1),
        ("spans", "#kind=missed&q=PARIS", 1),
        ("spans", "#kind=missed&q=Anna", 0),
        ("spans", "#q=test.conll%3A7", 2),
        ("spans", "#q=%3Cscript%3E", 1),
        ("spans", "#q=confidence", 0),
        ("spans", "#q=red+cross+came", 1),
        ("spans", "#gold=%3Cb%3EORG%3C%2Fb%3E&predicted=LOC", 1),
        ("spans", "#gold=~", 1),
        ("spans", "#kind=nonsense", 4),
        ("spans", "#trust", 4),
        ("tags", "#gold=PRP%24", 1),
        ("comparison", "#kind=worsened", 1),
    ],
)
def test_a_link_opens_the_page_filtered(tab: Tab, pages: dict[str, Path], name: str, fragment: str, shown: int) -> None:
    tab.open(pages[name], fragment)
    assert tab.run(SHOWN) == shown
    expected = f"{shown} of {shown} matching shown" if shown else "Nothing matches: change or clear the filters."
    assert tab.run(STATUS) == expected
    assert tab.complaints == []


def test_the_filters_work_from_the_keyboard_and_make_a_link(tab: Tab, pages: dict[str, Path]) -> None:
    tab.open(pages["spans"])
    tab.run("document.getElementById('kind').focus()")
    tab.press("ArrowDown")
    kind = tab.run("document.getElementById('kind').value")
    assert tab.run(SHOWN) == 1
    assert tab.run("location.hash") == f"#kind={kind.replace(' ', '+')}"
    tab.press("Tab", "Tab", "Tab", "Tab", "no such word")
    assert tab.run("document.activeElement.id") == "q"
    assert tab.run(SHOWN) == 0
    assert tab.run(STATUS).startswith("Nothing matches")
    tab.press("Tab", "Enter")  # Clear
    tab.run("new Promise(done => setTimeout(done))")
    assert tab.run(SHOWN) == 4
    assert tab.run("location.hash") == "#errors"
    assert tab.complaints == []


def test_a_cell_of_the_matrix_lists_its_errors(tab: Tab, pages: dict[str, Path]) -> None:
    tab.open(pages["spans"])
    tab.run("[...document.querySelectorAll('.matrix a')].find(link => link.hash.includes('ORG')).focus()")
    tab.press("Enter")
    tab.run("new Promise(done => setTimeout(done, 50))")
    assert tab.run(SHOWN) == 1
    assert tab.run("document.querySelector('#error-list > li:not([hidden])').dataset.kind") == "wrong type"


def test_only_tables_that_can_be_scrolled_are_stops_for_the_tab_key(tab: Tab, pages: dict[str, Path]) -> None:
    stops = "[...document.querySelectorAll('.wide')].every(e => (e.tabIndex === 0) === (e.scrollWidth > e.clientWidth))"
    for width in (1280, 400):
        tab.open(pages["spans"], width=width)
        assert tab.run(stops)
    assert tab.run("document.querySelectorAll('.wide[tabindex]').length") > 0


def test_errors_can_be_ordered_by_confidence(tab: Tab, pages: dict[str, Path]) -> None:
    seen = "[...document.querySelectorAll('#error-list > li')].map(row => row.dataset.confidence).join(' ')"
    tab.open(pages["spans"], "#order=sure")
    assert tab.run(seen) == "9700 9400 5000 4100"
    tab.open(pages["spans"], "#order=unsure")
    assert tab.run(seen) == "4100 5000 9400 9700"


def test_many_errors_come_in_portions(tab: Tab, tmp_path: Path) -> None:
    page = tmp_path / "many.html"
    html = render_html(examples.span_report())
    start, end = html.index('<li data-kind="missed"'), html.index('<li data-kind="spurious"')
    page.write_text(html[:start] + html[start:end] * 60 + html[end:], encoding="utf-8")
    tab.open(page, "#kind=missed")
    assert (tab.run(SHOWN), tab.run(STATUS)) == (25, "25 of 60 matching shown")
    tab.run("document.querySelector('#error-more button').focus()")
    tab.press("Enter")
    assert tab.run(SHOWN) == 50
    assert tab.run("document.activeElement.tagName") == "LI"  # reading goes on where the new ones begin
    tab.run("document.querySelector('#error-more button[value=all]').click()")
    assert tab.run(SHOWN) == 60
    assert not tab.run("document.getElementById('error-more').checkVisibility()")


@pytest.mark.parametrize("fixture", ["pos_run", "ner_run"])
def test_the_report_of_a_run_opens_and_its_matrix_leads_to_errors(
    tab: Tab, fixture: str, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(fixture)
    tab.open(folder / "report.html", width=400)
    assert tab.run("document.documentElement.scrollWidth") <= 400
    links = tab.run("[...document.querySelectorAll('.matrix a')].map(link => link.hash)")
    assert links
    for link in links[:3]:
        tab.open(folder / "report.html", link)
        assert tab.run(SHOWN) > 0
    assert tab.complaints == []


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("corpus", "suffix", "settings"),
    [
        ("ewt", "conllu", {}),
        (
            "wnut17",
            "conll",
            {"data.format": "conll", "data.delimiter": "tab", "data.scheme": "BIO", "model.head": "crf"},
        ),
    ],
)
def test_reports_of_the_real_corpora(
    tab: Tab, tmp_path: Path, corpus: str, suffix: str, settings: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = CORPORA / corpus
    if not folder.is_dir():
        pytest.skip(f"needs {corpus} in {CORPORA}")
    paths = {f"data.{split}": str(folder / f"{split}.{suffix}") for split in ("dev", "test")}
    write_head(folder / f"train.{suffix}", tmp_path / f"train.{suffix}", 400)
    config = change(small_config(tmp_path), {**paths, "data.train": str(tmp_path / f"train.{suffix}"), **settings})
    train(config, tmp_path / "run")
    assert call(capsys, "evaluate", tmp_path / "run", folder / f"test.{suffix}", "--out", tmp_path / "report").code == 0
    html, document = ((tmp_path / "report" / f"report.{kind}").read_text("utf-8") for kind in ("html", "json"))
    assert len(html.encode("utf-8")) < 1_000_000
    tab.open(tmp_path / "report" / "report.html")
    main = tab.run("document.querySelector('.main [data-path=\"/scores/main\"]').textContent")
    assert main == f"{100 * json.loads(document)['scores']['main']:.2f}"
    sections = tab.run("[...document.querySelectorAll('section')].map(section => section.id)")
    assert {"scores", "labels", "failures", "confusions", "errors", "trust", "making"} <= set(sections)
    assert tab.run(SHOWN) == 25
    word = tab.run("document.querySelector('#error-list mark').textContent")
    tab.open(tmp_path / "report" / "report.html", f"#q={quote(word)}")
    assert 1 <= tab.run(SHOWN) <= 25
    assert tab.complaints == []
