from registry.circles import circles


def test_each_circle_is_told_once_by_its_shortest_way() -> None:
    needs = {
        "app": {"a", "lone"},
        "a": {"b", "c"},
        "b": {"a"},
        "c": {"d"},
        "d": {"a"},
        "lone": set[str](),
        "self": {"self"},
    }
    assert list(circles(needs)) == [("a", "b"), ("c", "d", "a"), ("self",)]


def test_a_tree_with_a_shared_leaf_has_none() -> None:
    assert not list(circles({"app": {"a", "b"}, "a": {"leaf"}, "b": {"leaf"}}))


def test_a_circle_of_thousands_needs_no_recursion() -> None:
    size = 3_000
    needs = {str(number): {str((number + 1) % size)} for number in range(size)}
    assert len(next(circles(needs))) == size
