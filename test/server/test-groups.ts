/** The files that `npm test` runs, and the files that `npm test -- --only` selects. */
import { readdirSync, readFileSync } from "node:fs";
import { expect } from "chai";
import {
  chosen,
  type Group,
  groups,
  nearNames,
  shardsOf,
  stepOf,
} from "../../scripts/test-groups.ts";

const root = new URL("../../", import.meta.url);
const all: readonly Group[] = Object.values(groups);
const filesOf = (...words: string[]) => chosen(all, words).flatMap(({ files }) => files);

describe("the files of npm test", () => {
  it("are all files with tests, each in one group", () => {
    const names = readdirSync(new URL("test/", root), { recursive: true, encoding: "utf8" });
    const withTests = names
      .map((name) => `test/${name.replaceAll("\\", "/")}`)
      .filter((path) => !/^test\/e2e\/|\/support\//.test(path) && /\.(ts|sol)$/.test(path))
      .filter((path) =>
        /^(describe\(|contract \w+Test\b)/m.test(readFileSync(new URL(path, root), "utf8")),
      );
    expect(withTests.length).to.be.greaterThan(90);
    const files = all.flatMap((group) => group.files);
    expect(withTests.filter((path) => !files.includes(path))).to.deep.equal([]);
    expect(new Set(files).size).to.equal(files.length);
  });

  it("are split into shards: each file is in one, with the options of its group", () => {
    const shards = shardsOf(all);
    expect(shards.length).to.be.greaterThan(all.length);
    expect(shards.filter(({ files }) => files.length === 0)).to.deep.equal([]);
    expect(new Set(shards.map(({ name }) => name)).size).to.equal(shards.length);
    for (const group of all) {
      const own = shards.filter(({ name }) => name.startsWith(group.name));
      const files = own.flatMap((shard) => shard.files);
      expect(files.toSorted(), group.name).to.deep.equal([...group.files].sort());
      for (const shard of own) {
        const options = stepOf(shard).args.slice(0, -shard.files.length);
        expect(options).to.deep.equal(stepOf(group).args.slice(0, -group.files.length));
      }
    }
  });

  it("are selected by a part of their name, in any folder", () => {
    expect(filesOf("api-claims")).to.deep.equal(["test/server/api-claims.ts"]);
    expect(filesOf("acts").sort()).to.deep.equal([
      "test/contracts/ledger-acts.ts",
      "test/server/acts-kinds.ts",
      "test/server/acts-table.ts",
      "test/server/acts.ts",
    ]);
    expect(filesOf("lottree", "pdf-reader").sort()).to.deep.equal([
      "test/contracts/LotTree.t.sol",
      "test/formats/pdf-reader.ts",
    ]);
    // an extension or a folder is not a part of a name
    expect(filesOf("ts.ts")).to.deep.equal([]);
    expect(filesOf("contracts")).to.deep.equal([]);
  });

  it("are selected by their path if the word has a slash", () => {
    expect(filesOf("server/acts.ts")).to.deep.equal(["test/server/acts.ts"]);
    expect(filesOf("test/http/").length).to.equal(groups.http.files.length);
  });

  it("run by the same command and in the same process group, selected or not", () => {
    for (const group of all) {
      const [path = ""] = group.files;
      const [part, ...others] = chosen(all, [path]);
      expect(others).to.deep.equal([]);
      const [whole, alone] = [stepOf(group), stepOf(part as Group, "a word")];
      expect(alone.command).to.equal(whole.command);
      const options = whole.args.slice(0, -group.files.length);
      expect(alone.args).to.deep.equal([...options, "--grep", "a word", path]);
    }
    // these move the clock of the chain, which breaks the other files
    expect(chosen(all, ["api-stats", "api-claims"]).map(({ files }) => files.length)).to.deep.equal(
      [1, 1],
    );
  });

  it("suggests similar names for a word that no name contains", () => {
    expect(nearNames(all, "api-clams")[0]).to.equal("api-claims");
    expect(nearNames(all, "claims-api")[0]).to.equal("api-claims");
    expect(nearNames(all, "Invarients")[0]).to.equal("Ledger.invariants");
    expect(nearNames(all, "api")).to.have.length(5);
    expect(nearNames(all, "zzz")).to.deep.equal([]);
    expect(nearNames(all, "")).to.deep.equal([]);
  });
});
