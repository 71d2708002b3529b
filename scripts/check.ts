/**
 * `npm run check`: types, lint and formatting, Solidity lint, the floors, the owners of tables, no
 * path outside the repository, plain words, links and file names in the docs, and their generated
 * parts. Seconds; longer the first time, because the types of all files are new.
 */
import { report, runStep, typesOf } from "./run.ts";

const steps = [
  typesOf("."),
  typesOf("console"),
  typesOf("test/console"),
  typesOf("test/e2e"),
  { name: "lint and formatting", command: "biome", args: ["check", "--error-on-warnings"] },
  {
    name: "Solidity lint",
    command: "solhint",
    args: ["--max-warnings", "0", "contracts/**/*.sol"],
  },
  {
    name: "floors, tables, paths, links, words",
    command: "mocha",
    args: [
      "--no-config",
      "--timeout",
      "60000",
      ...["architecture", "floors", "table-owners", "paths", "docs", "words"].map(
        (name) => `test/server/${name}.ts`,
      ),
    ],
  },
  { name: "docs", command: "node", args: ["scripts/docs.ts", "--check"] },
  { name: "vectors of bundles", command: "node", args: ["scripts/vectors.ts", "--check"] },
];

const ran = await Promise.all(steps.map((step) => runStep(step)));
for (const check of ran) report(check, false);
process.exitCode = ran.every((check) => check.ok) ? 0 : 1;
