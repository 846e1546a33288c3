"""What a report says on a model card."""

from tagger.evaluation.counts import TagScores
from tagger.evaluation.render import render_markdown
from tagger.evaluation.report import Report
from tagger.inference.model_card import CardScores


def scores_of(report: Report) -> CardScores:
    """The report's scores for a model card."""
    scores = report.scores
    # The report in Markdown: its title, then sections that begin with ##; the first of them holds the scores.
    section = render_markdown(report).split("\n## ")[1]
    return CardScores(
        split=report.split,
        metric="accuracy" if isinstance(scores, TagScores) else "f1",
        value=scores.main,
        table=section.partition("\n")[2],
        warnings=report.warnings,
    )
