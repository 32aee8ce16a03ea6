#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
metrics - reads Prometheus' text exposition form strictly, and says whether what it holds is so

    metrics.py FILE [CONDITION]...

A CONDITION is Python: v("keysvc_requests_total", operation="sign", outcome="OK") is a sample's value, 0 where there is
none; total(NAME, LABEL=...) the sum over all samples with these labels; values(NAME) all of them. Whatever Prometheus would
refuse, or take and misunderstand, is an error: families in pieces, a series twice, counters without _total, histograms
that are not cumulative, do not end in +Inf or whose count is another number than that of their last bucket.
"""
import re
import sys

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')
ESCAPE = re.compile(r'\\(["\\n])')
NUMBER = re.compile(r"(?:[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|[+-]Inf|NaN)")
HISTOGRAM_ENDS = ("_bucket", "_sum", "_count")


class Malformed(Exception):
    pass


def need(condition, line, why):
    if not condition:
        raise Malformed(f"{why}: {line!r}")


def parse_sample(line):
    name = NAME.match(line)
    need(name, line, "no name")
    at, labels = name.end(), {}
    if line[at : at + 1] == "{":
        at += 1
        while True:
            label = LABEL.match(line, at)
            need(label, line, "no label")
            need(label[1] not in labels, line, "a label twice")
            labels[label[1]] = ESCAPE.sub(lambda e: {"n": "\n"}.get(e[1], e[1]), label[2])
            at = label.end()
            if line[at : at + 1] == "}":
                break
            need(line[at : at + 1] == ",", line, "no comma")
            at += 1
        at += 1
    need(line[at : at + 1] == " " and NUMBER.fullmatch(line, at + 1), line, "no value")
    return name[0], labels, float(line[at + 1 :])


class Metrics:
    def __init__(self, text):
        self.families = {}  # name: (type, samples in order)
        self.samples = {}
        need(text.endswith("\n"), text[-40:], "the last line has no end")
        family, helped = None, None
        for line in text[:-1].split("\n"):
            if line.startswith("# HELP "):
                helped = NAME.match(line, 7)[0]
                need(len(line.split(" ", 3)) == 4, line, "no text")
                need(helped not in self.families, line, "a family in pieces")
            elif line.startswith("# TYPE "):
                _, _, family, kind = line.split(" ")
                need(family == helped, line, "TYPE does not follow its HELP")
                need(kind in ("counter", "gauge", "histogram"), line, "no such type")
                need((kind == "counter") == family.endswith("_total"), line, "the name is not a counter's, or one's")
                self.families[family] = (kind, [])
            else:
                self.take(line, family)
        for family, (kind, samples) in self.families.items():
            if kind == "histogram":
                self.check_histogram(family, samples)

    def take(self, line, family):
        name, labels, value = parse_sample(line)
        need(family is not None, line, "a sample before its TYPE")
        kind, samples = self.families[family]
        mine = [family + end for end in HISTOGRAM_ENDS] if kind == "histogram" else [family]
        need(name in mine, line, "a sample of another family")
        series = (name, tuple(sorted(labels.items())))
        need(series not in self.samples, line, "a series twice")
        need(kind == "gauge" or value >= 0, line, "less than nothing")
        self.samples[series] = value
        samples.append((name, labels, value))

    @staticmethod
    def check_histogram(family, samples):
        series = {}
        for name, labels, value in samples:
            key = tuple(sorted(item for item in labels.items() if item[0] != "le"))
            one = series.setdefault(key, {"buckets": []})
            if name.endswith("_bucket"):
                one["buckets"].append((float(labels["le"]), value))
            else:
                one[name] = value
        for one in series.values():
            bounds, counts = zip(*one["buckets"])
            need(list(bounds) == sorted(set(bounds)), bounds, "bounds do not ascend")
            need(bounds[-1] == float("inf"), bounds, "no +Inf")
            need(list(counts) == sorted(counts), counts, "not cumulative")
            need(one[family + "_count"] == counts[-1], one, "count is another than the last bucket's")
            need((one[family + "_sum"] > 0) <= (counts[-1] > 0), one, "a sum of nothing")

    def value(self, name, **labels):
        return self.samples.get((name, tuple(sorted(labels.items()))), 0)

    def values(self, name, **labels):
        return [v for (n, all_labels), v in self.samples.items() if n == name and labels.items() <= dict(all_labels).items()]

    def total(self, name, **labels):
        return sum(self.values(name, **labels))


def refuses(text):
    try:
        Metrics(text)
    except Malformed:
        return True
    return False


def selftest():
    good = '# HELP a_total A.\n# TYPE a_total counter\na_total{x="\\"\\\\\\n",y=""} 1\na_total 2.5e3\n'
    assert Metrics(good).value("a_total", x='"\\\n', y="") == 1
    histogram = "# HELP h H.\n# TYPE h histogram\n" 'h_bucket{le="1"} %s\nh_bucket{le="%s"} 2\nh_sum 3\nh_count %s\n'
    Metrics(histogram % (1, "+Inf", 2))
    for bad in (
        good[:-1],
        good + "\n",
        good + "a_total 3\n",
        good.replace(" counter", " gauge"),
        good.replace("# HELP a_total A.\n", ""),
        good.replace("# TYPE a_total counter\n", ""),
        good.replace("2.5e3", "two"),
        good.replace('y=""', 'x=""'),
        good.replace('\\"', '"', 1),
        good + good,
        good.replace("a_total 2", "b_total 2"),
        histogram % (3, "+Inf", 2),
        histogram % (1, "+Inf", 3),
        histogram % (1, "2", 2),
        histogram % (1, "0.5", 2),
    ):
        assert refuses(bad), bad


def main():
    selftest()
    with open(sys.argv[1], encoding="utf-8", newline="\n") as file:
        metrics = Metrics(file.read())
    names = {"v": metrics.value, "total": metrics.total, "values": metrics.values}
    for condition in sys.argv[2:]:
        if not eval(condition, dict(names)):
            sides = re.split(r" (?:==|<=|>=|<|>) ", condition)
            sys.exit(f"{condition}: it is {[eval(side, dict(names)) for side in sides]}")


main()
