/** Whose notices the console ships, and which packages the build refuses. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import {
  type Bundled,
  licensesText,
  noticeOf,
  objections,
} from "../../scripts/console-licenses.ts";

const modules = fileURLToPath(new URL("../../node_modules", import.meta.url));
const text = "Permission is hereby granted";

describe("the notices of the console's packages", () => {
  it("are in what is served, each with its licence, and with its NOTICE where it has one", () => {
    const file = readFileSync(new URL("../../dist/console/licenses.txt", import.meta.url), "utf8");
    const packages = new Map(
      file.split(`\n\n${"-".repeat(80)}\n\n`).map((part) => [part.split(" ")[0], part] as const),
    );
    for (const name of [
      "react",
      "react-dom",
      "antd",
      "echarts",
      "zrender",
      "@zxing/library",
      "dayjs",
      "i18next",
      "zod",
      "nzh",
      "is-mobile",
    ]) {
      const notice = packages.get(name);
      expect(notice?.split("\n")[0], name).to.match(
        /^\S+ \d[\w.-]* \((?:MIT|Apache-2\.0|BSD-[23]-Clause)\)$/,
      );
      expect(notice, name)
        .to.match(/copyright/i)
        .and.match(/without (?:any )?warrant|warranties/i);
    }
    expect(file)
      .to.include("Apache ECharts\nCopyright 2017-")
      .and.include("This product includes software developed at");
    expect(file).to.not.match(/^(playwright-core|axe-core|vite) /m);
  });

  const refused: [string, Partial<Bundled>, string][] = [
    [
      "a copyleft licence",
      { identifier: "GPL-3.0-only", text },
      "GPL-3.0-only is not a permissive licence",
    ],
    [
      "one whose changes are to be shared",
      { identifier: "MPL-2.0", text },
      "MPL-2.0 is not a permissive licence",
    ],
    [
      "a choice with one of these in it",
      { identifier: "(MIT OR AGPL-3.0)", text },
      "(MIT OR AGPL-3.0) is not a permissive licence",
    ],
    [
      "a text that is not a licence",
      { identifier: "SEE LICENSE IN terms.txt", text },
      "SEE LICENSE IN terms.txt is not a permissive licence",
    ],
    ["none", { text }, "does not say its licence"],
    ["one without its text", { identifier: "MIT" }, "has no text of its licence"],
  ];
  for (const [label, more, why] of refused)
    it(`refused: ${label}`, () => {
      const [objection, ...others] = objections([
        { name: "good", version: "1.0.0", identifier: "(MIT AND BSD-3-Clause)", text },
        { name: "other", version: "2.0.0", ...more },
      ]);
      expect(objection)
        .to.match(/^other 2\.0\.0/)
        .and.include(why);
      expect(others).to.deep.equal([]);
    });

  it("find a text that is not in a file of its own, and a NOTICE", () => {
    const notice = (name: string) => noticeOf(modules, { name, version: "1", identifier: "MIT" });
    expect(notice("is-mobile").text)
      .to.include("Copyright (c) 2013 Julian Gruber")
      .and.include("WITHOUT WARRANTY");
    expect(notice("@ant-design/icons-svg").text).to.include("Ant UED");
    expect(notice("echarts").notices.join()).to.include("Apache ECharts");
    expect(
      licensesText([
        { name: "a", version: "1", identifier: "MIT", text: "words", notices: ["noted"] },
      ]),
    ).to.match(/\na 1 \(MIT\)\n\nwords\n\nNOTICE\n\nnoted\n$/);
  });
});
