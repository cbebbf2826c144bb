#!/usr/bin/env python3
"""What the program is made of: a bill of materials (CycloneDX 1.6) and the licences of all of it.

Of Cargo.lock and what cargo says of it, so that it needs no tool but the one that builds the program. The same sources
give the same files. Ends with 1 when a crate has a licence that is not known to be compatible with Apache-2.0.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib
import uuid
from datetime import datetime, timezone

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The package that the program is.
PROGRAM = "cli"
# Licences that allow a program under Apache-2.0 to contain the work, if their texts go with it.
ALLOWED = {
    "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "ISC", "MIT",
    "MIT-0", "Unicode-3.0", "Unlicense", "Zlib",
}
# Files that hold the text of a licence, or what must go with it.
TEXTS = re.compile(r"^(licen[cs]e|copying|copyright|notice|unlicense)", re.IGNORECASE)


def metadata():
    """All that cargo knows of the workspace, for the platform this runs on."""
    host = next(
        line.split()[1] for line in run("rustc", "-vV").splitlines() if line.startswith("host:")
    )
    return json.loads(run("cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", host))


def run(*command):
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def shipped(found):
    """The packages that end up in the program, by their ids, each with those it needs: not what only tests need."""
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    packages = {package["id"]: package for package in found["packages"]}
    program = next(id for id, package in packages.items() if package["name"] == PROGRAM and id in nodes)
    needs, left = {}, [program]
    while left:
        id = left.pop()
        if id in needs:
            continue
        needs[id] = sorted(
            dep["pkg"] for dep in nodes[id]["deps"] if any(kind["kind"] != "dev" for kind in dep["dep_kinds"])
        )
        left.extend(needs[id])
    return program, packages, needs


def is_allowed(expression):
    """Whether a licence expression of SPDX can be met with what is allowed."""
    # `A/B` is how older crates write `A OR B`.
    tokens = re.findall(r"\(|\)|[^\s()]+", re.sub(r"\s*/\s*", " OR ", expression))
    terms, at = [], 0
    while at < len(tokens):
        if tokens[at : at + 2][1:] == ["WITH"]:
            terms.append(str(" ".join(tokens[at : at + 3]) in ALLOWED))
            at += 3
            continue
        words = {"AND": "and", "OR": "or", "(": "(", ")": ")"}
        terms.append(words.get(tokens[at], str(tokens[at] in ALLOWED)))
        at += 1
    # Nothing but True, False, and, or and parentheses is left.
    return eval(" ".join(terms))  # noqa: S307


def reference(package):
    """What a package is called wherever bills of materials are read."""
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, checksums):
    own = package["source"] is None
    entry = {
        "type": "library",
        "bom-ref": reference(package),
        "name": package["name"],
        "version": package["version"],
        "licenses": [{"expression": re.sub(r"\s*/\s*", " OR ", package["license"])}],
    }
    if not own:
        entry["purl"] = reference(package)
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        entry["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        entry["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return entry


def bill(program, packages, needs):
    lock = (ROOT / "Cargo.lock").read_bytes()
    locked = tomllib.loads(lock.decode())["package"]
    checksums = {(entry["name"], entry["version"]): entry.get("checksum") for entry in locked}
    own = component(packages[program], checksums) | {"type": "application", "name": "zipfleet"}
    # Whoever builds the same again is to get the same.
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, lock.hex())}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": own,
        },
        "components": sorted(
            (component(packages[id], checksums) for id in needs if id != program), key=lambda it: it["bom-ref"]
        ),
        "dependencies": sorted(
            (
                {"ref": reference(packages[id]), "dependsOn": sorted({reference(packages[on]) for on in needs[id]})}
                for id in needs
            ),
            key=lambda it: it["ref"],
        ),
    }


def licences(packages, needs):
    """Each package with its licence, and the texts that came with it."""
    others = sorted((packages[id] for id in needs if packages[id]["source"]), key=reference)
    yield "zipfleet contains these, under the licences named.\n"
    yield from (f"{package['name']} {package['version']}: {package['license']}" for package in others)
    seen = {}
    for package in others:
        directory = pathlib.Path(package["manifest_path"]).parent
        for path in sorted(it for it in directory.iterdir() if it.is_file() and TEXTS.match(it.name)):
            text = path.read_text(encoding="utf-8", errors="replace").strip()
            seen.setdefault(text, []).append(f"{package['name']} {package['version']}")
    for text, whose in seen.items():
        yield f"\n{'-' * 100}\n{', '.join(whose)}\n\n{text}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, type=pathlib.Path, help="where to write bom.json and licences.txt")
    out = parser.parse_args().out
    program, packages, needs = shipped(metadata())
    strange = [
        f"{packages[id]['name']}: {packages[id]['license']}" for id in needs if not is_allowed(packages[id]["license"] or "none")
    ]
    if strange:
        sys.exit("not known to be compatible with Apache-2.0: " + "; ".join(strange))
    out.mkdir(parents=True, exist_ok=True)
    (out / "bom.json").write_text(json.dumps(bill(program, packages, needs), indent=1, sort_keys=True) + "\n")
    (out / "licences.txt").write_text("\n".join(licences(packages, needs)) + "\n")
    print(f"{len(needs)} packages in {out}")


if __name__ == "__main__":
    main()
