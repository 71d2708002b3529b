/** A step of `npm test` always ends: what hangs is killed, and so is what a step leaves behind. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect } from "chai";
import { runStep } from "../../scripts/run.ts";
import { until } from "./support/proxy.ts";

/** A program that starts a child which stays for an hour, says its process id, and goes on. */
const withChild = (rest: string) => `
  const child = require("node:child_process").spawn(process.execPath,
    ["-e", "setTimeout(() => {}, 3_600_000)"], { stdio: "inherit" });
  child.unref();
  console.log("child " + child.pid);
  ${rest}`;
const childOf = (output: string) => Number(/child (\d+)/.exec(output)?.[1]);

const lives = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
const hasEnded = (pid: number) => until(`process ${pid} has ended`, () => !lives(pid));

const program = (text: string) => ({
  name: "a program",
  command: process.execPath,
  args: ["-e", text],
});

describe("a step that another program runs", () => {
  it("fails and is killed, with its children, when it prints nothing for too long", async () => {
    const step = program(withChild("setTimeout(() => {}, 3_600_000);"));
    const { ok, output } = await runStep(step, false, 4_000);
    expect(ok).to.equal(false);
    expect(output).to.match(/a program printed nothing for 4 s: it was killed/);
    await hasEnded(childOf(output));
  });

  it("ends although a process that it left behind holds its output, and that process is killed", async () => {
    const { ok, output } = await runStep(program(withChild("")));
    expect(ok).to.equal(true);
    expect(output).to.match(/a program left a process behind: it was killed/);
    await hasEnded(childOf(output));
  });

  it("goes on as long as it prints", async () => {
    const printing = `let times = 0;
      const timer = setInterval(() => {
        console.log(++times);
        if (times === 10) clearInterval(timer);
      }, 500);`;
    const { ok, output } = await runStep(program(printing), false, 4_000);
    expect([ok, output.trim().split("\n").length]).to.deep.equal([true, 10]);
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const)
    it(`ends with its children when its runner is ended by ${signal}`, async () => {
      const text = withChild("setTimeout(() => {}, 3_600_000);");
      const runner = `
        import { runStep } from ${JSON.stringify(new URL("../../scripts/run.ts", import.meta.url).href)};
        await runStep({ name: "a program", command: process.execPath,
          args: ["-e", ${JSON.stringify(text)}] }, true);`;
      const child = spawn(process.execPath, ["--input-type=module", "-e", runner]);
      let output = "";
      child.stdout.on("data", (chunk) => (output += chunk));
      const pid = await until("its child has started", () => childOf(output) || undefined);
      child.kill(signal);
      await once(child, "exit");
      await hasEnded(pid);
    });
});
