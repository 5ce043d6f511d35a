# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""service.py SEED: a small server without a network, busy for about a fortieth of its time.

Walks through many functions of the standard library, as services do, so that a
profiler meets several hundred code objects and lines in each process.
"""
import base64
import configparser
import csv
import datetime
import decimal
import difflib
import email.message
import html
import io
import ipaddress
import json
import logging
import random
import re
import statistics
import string
import sys
import textwrap
import time
import urllib.parse
import xml.etree.ElementTree

logging.basicConfig(stream=io.StringIO(), level=logging.INFO)
log = logging.getLogger("service")
chance = random.Random(int(sys.argv[1]))
words = ["".join(chance.choices(string.ascii_lowercase, k=6)) for _ in range(200)]


def orders():
    rows = [{"id": n, "name": chance.choice(words), "price": chance.random()} for n in range(60)]
    return json.loads(json.dumps(rows, indent=1, sort_keys=True))


def report():
    out = io.StringIO()
    writer = csv.DictWriter(out, ["id", "name", "price"])
    writer.writeheader()
    writer.writerows(orders())
    return list(csv.reader(io.StringIO(out.getvalue())))


def invoice():
    prices = [decimal.Decimal(str(row["price"])) for row in orders()]
    return statistics.fmean(prices), sum(prices).quantize(decimal.Decimal("0.01"))


def page():
    text = textwrap.fill(" ".join(chance.choices(words, k=80)), 60)
    return re.sub(r"\b(\w)(\w*)", lambda match: match[1].upper() + match[2], html.escape(text))


def compare():
    return list(difflib.unified_diff(chance.choices(words, k=30), chance.choices(words, k=30)))


def mail():
    message = email.message.EmailMessage()
    message["Subject"] = " ".join(chance.choices(words, k=8))
    message.set_content(page())
    return base64.b64encode(message.as_bytes())


def routes():
    network = ipaddress.ip_network("10.0.0.0/26")
    return [urllib.parse.urlsplit(f"https://{host}/{word}?q=1") for host, word in zip(network.hosts(), words)]


def settings():
    parser = configparser.ConfigParser()
    parser.read_string("[all]\n" + "\n".join(f"{word} = {len(word)}" for word in set(words[:40])))
    return dict(parser["all"])


def feed():
    root = xml.etree.ElementTree.Element("feed")
    for word in words[:40]:
        xml.etree.ElementTree.SubElement(root, "item", name=word).text = word
    return xml.etree.ElementTree.fromstring(xml.etree.ElementTree.tostring(root))


def calendar():
    day = datetime.date(2024, 1, 1)
    return [(day + datetime.timedelta(days=n)).strftime("%A %d %B") for n in range(60)]


pages = [orders, report, invoice, page, compare, mail, routes, settings, feed, calendar]
while True:
    start = time.perf_counter()
    handler = chance.choice(pages)
    handler()
    log.info("%s done in %.6f", handler.__name__, time.perf_counter() - start)
    time.sleep(39 * (time.perf_counter() - start))
