/**
 * The schema: the migrations of the rooms create it once; the checked-in row types equal the
 * generated ones.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { root } from "../../scripts/run.ts";
import { tablesFile, tablesText } from "../../scripts/tables.ts";
import { migrate, openDb, pendingMigrations, type Sql } from "../../server/db/db.ts";
import { type Postgres, startPostgres } from "../../server/db/postgres.ts";

describe("The schema", () => {
  let postgres: Postgres;
  let sql: Sql;
  before(async () => {
    postgres = await startPostgres();
    sql = openDb(postgres.url);
  });
  after(async () => {
    await sql.end();
    await postgres.close();
  });

  it("is created by each migration once, in order", async () => {
    const pending = await pendingMigrations(sql);
    expect(pending)
      .to.have.length.above(0)
      .and.deep.equal([...pending].sort());
    expect(await migrate(sql)).to.deep.equal(pending);
    expect(await pendingMigrations(sql)).to.deep.equal([]);
    expect(await migrate(sql)).to.deep.equal([]);
  });

  it("has the checked-in row types", async () => {
    // compared as a whole: this finds a hand-edited type and a column without a type
    expect(readFileSync(join(root, tablesFile), "utf8")).to.equal(await tablesText(sql));
  });

  it("of another version is refused, and left unchanged", async () => {
    await sql`insert into migrations (name) values ('000_other.sql')`;
    const refused = await migrate(sql).then(
      () => undefined,
      (error: Error) => error.message,
    );
    expect(refused).to.match(/has the migration 000_other\.sql/);
    expect(await pendingMigrations(sql)).to.deep.equal([]);
    await sql`delete from migrations where name = '000_other.sql'`;
    expect(await migrate(sql)).to.deep.equal([]);
  });
});
