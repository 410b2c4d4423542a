"""A caller's words as a question that could stand in the base: nothing is added, politeness and story are cut."""

import pytest

from retrieval.standard_question import LONGEST, standard_question


@pytest.mark.parametrize(
    ("said", "question"),
    [
        ("您好，请问社保卡丢了怎么办？", "社保卡丢了怎么办"),
        ("喂你好我想咨询一下居住证在哪里年审啊，谢谢", "居住证在哪里年审"),
        ("帮我查一下公积金怎么提取", "公积金怎么提取"),
        ("社保卡 丢了  怎么办", "社保卡 丢了 怎么办"),
        ("停机坪怎么预约呢？？", "停机坪怎么预约"),
        ("医保", "医保"),
        ("请问", "请问"),
        ("", ""),
    ],
)
def test_politeness_is_cut(said: str, question: str) -> None:
    assert standard_question(said) == question
    assert standard_question(question) == question


def test_a_story_is_cut_to_what_it_asks() -> None:
    told = "我叫张三，家住河东区，去年母亲在外省住院。当时手续不全，回来以后跑了三趟窗口，每次说法都不一样。天气又热。"
    story = f"{told}请问异地住院的医疗费怎么报销？谢谢。"
    asked = standard_question(story)
    assert asked.endswith("异地住院的医疗费怎么报销")
    assert len(asked) <= LONGEST
    assert "张三" not in asked
