/**
 * `npm pack -w protocol` runs this first: compiles protocol/ to protocol/dist, as JavaScript with
 * declarations. Inside the repository the sources themselves are imported
 * (`@onepiao/protocol/….ts`), so nothing has to be built to work here.
 *
 * dist/ gets a package.json of its own: there `#bytes` names the compiled files.
 */
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { report, root, runStep } from "./run.ts";

const folder = join(root, "protocol");
const dist = join(folder, "dist");
rmSync(dist, { recursive: true, force: true });
const compiled = await runStep({ name: "protocol", command: "tsc", args: ["-p", "protocol"] });
if (!compiled.ok) {
  report(compiled, false);
  process.exit(1);
}
const { imports } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
  imports: object;
};
const own = {
  type: "module",
  imports: JSON.parse(JSON.stringify(imports).replaceAll('.ts"', '.js"')) as object,
};
writeFileSync(join(dist, "package.json"), `${JSON.stringify(own, null, 2)}\n`);
copyFileSync(join(root, "LICENSE"), join(folder, "LICENSE"));
