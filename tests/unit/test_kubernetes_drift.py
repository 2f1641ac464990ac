"""What people are told where somebody else changed an object, and when they are told what mends it."""

import pytest

from service.adapters.kubernetes.drift import changed


def route(**metadata):
    return {"kind": "HTTPRoute", "metadata": {"namespace": "ml", "name": "fraud", **metadata}}


@pytest.mark.parametrize(
    ("writer", "tool"), [("argocd-controller (Update)", "Argo CD"), ("kustomize-controller (Apply)", "Flux")]
)
def test_a_tool_that_will_do_so_again_is_told_apart_with_the_lines_that_mend_it(writer, tool):
    live = route(managedFields=[{"manager": writer.partition(" ")[0]}])
    told = changed(live, f"{writer} at 14:03", "it sends fraud.ml 100 %")
    first, _, lines = told.partition("\n")
    assert first == f"HTTPRoute ml/fraud was changed by {writer} at 14:03: it sends fraud.ml 100 %"
    assert lines.startswith(f"In {tool}")
    assert "- /spec/rules" in lines


def test_a_person_is_told_what_was_changed_also_where_a_tool_keeps_the_object():
    live = route(annotations={"argocd.argoproj.io/tracking-id": "shop:x"})
    told = changed(live, "kubectl-edit (Update) at 14:03", "it sends fraud.ml 100 %")
    assert told == "HTTPRoute ml/fraud was changed by kubectl-edit (Update) at 14:03: it sends fraud.ml 100 %"
