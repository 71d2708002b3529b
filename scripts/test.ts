/**
 * `npm test`: types, contracts (Solidity and TypeScript), formats, HTTP, mechanisms and features,
 * all on real parts.
 *
 * Steps run side by side: one more than there are cores, for they wait for blocks and processes
 * half of their time. Ends with a line of counts.
 * `npm test -- --only WORD` runs some files only, one group after the other, and shows their
 * output. Exit codes: 0 all passed; 1 something failed; 2 called in a wrong way, or nothing to run.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { report, runStep, type Step, typesOf } from "./run.ts";
import { chosen, groups, nearNames, shardsOf, stepOf } from "./test-groups.ts";

const USAGE = `npm test                            all tests
npm test -- --only api-claims       the files under test/ whose name contains "api-claims"
npm test -- --only server/acts.ts   the same by path, where names are too much alike
npm test -- -g "is refused"         the tests whose title contains these words

  --only WORD         may be repeated; large and small letters are the same
  -g, --grep WORDS    a regular expression, for mocha and Hardhat; alone or with --only
  --verbose           shows what every step printed (as --only and --grep do)
  --help

The console's tests in a browser: npm run test:e2e -- --grep WORDS`;

function readCall() {
  const options = {
    only: { type: "string", multiple: true, default: [] as string[] },
    grep: { type: "string", short: "g" },
    verbose: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  } as const;
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    return wrong(`${(error as Error).message}\n\n${USAGE}`);
  }
}

function wrong(text: string): never {
  console.error(text);
  process.exit(2);
}

const { only, grep, verbose, help } = readCall();
const all = Object.values(groups);
const isPart = only.length > 0 || grep !== undefined;

/** What is to be run, in the order in which it begins. */
function steps(): Step[] {
  for (const word of only) {
    if (word !== "" && chosen(all, [word]).length > 0) continue;
    const near = nearNames(all, word);
    const hint = near.length > 0 ? `Near names: ${near.join(", ")}` : "npm test -- --help";
    wrong(`No test file is named like "${word}". ${hint}`);
  }
  if (isPart)
    return (only.length > 0 ? chosen(all, only) : all).map((group) => stepOf(group, grep));
  const fire = ["scripts/lab/chaos.ts", "--seed", "1", "--seconds", "20"];
  return [
    { name: "gateways under fire", command: "node", args: fire },
    ...shardsOf(all).map((group) => stepOf(group)),
    typesOf("."),
  ];
}

const counts = { passed: 0, failed: 0 };
let broken = false;

/** Takes from `waiting` until nothing is left. */
async function run(waiting: Step[]): Promise<void> {
  for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
    const ran = await runStep(step, isPart);
    report(ran, verbose, isPart);
    const passed = sum(ran.output, /(\d+) passing/g);
    const failed = sum(ran.output, /(\d+) failing/g);
    counts.passed += passed;
    counts.failed += failed;
    // a step that fails without a failing test (a crash, a type error) counts as one
    if (!ran.ok && failed === 0) counts.failed += 1;
    // a runner that found no test has not tested; types have none, and the fault harness says
    // itself when it has not
    if (ran.ok && !isPart && !["tsc", "node"].includes(step.command) && passed === 0) {
      console.log(`FAILED ${step.name}: no test was run`);
      counts.failed += 1;
    }
    broken ||= !ran.ok;
  }
}

const sum = (text: string, pattern: RegExp) =>
  [...text.matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0);

if (help) console.log(USAGE);
else {
  const waiting = steps();
  const width = isPart ? 1 : availableParallelism() + 1;
  await Promise.all(Array.from({ length: width }, () => run(waiting)));
  if (counts.passed + counts.failed === 0) {
    wrong(grep === undefined ? "These files have no tests" : `No test has a title like "${grep}"`);
  }
  console.log(`\n${counts.passed} passed, ${counts.failed} failed`);
  process.exitCode = broken || counts.failed > 0 ? 1 : 0;
}
