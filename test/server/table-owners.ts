/** A table has one owner: the server's present SQL, and allowed and refused statements. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { roomOf } from "../../scripts/floors.ts";
import { root } from "../../scripts/run.ts";
import {
  readOwners,
  roomOfMigration,
  statementsOf,
  tableViolations,
  usesOf,
  violationsIn,
} from "../../scripts/table-owners.ts";

const owners = readOwners();
const claims = "server/features/use/claims.ts";
/** The violations of one statement in a file. */
const violations = (file: string, statement: string) =>
  violationsIn(
    file,
    statementsOf(`const rows = await tx\`${statement}\`;`),
    owners,
    roomOf(file),
  ).map((line) => line.replace(/^\S+: /, ""));

describe("Owners of tables", () => {
  it("no SQL names a table of another room", () => {
    expect(tableViolations()).to.deep.equal([]);
  });

  it("each room of a migration is a folder with SQL in it, and each table has one owner", () => {
    for (const { name, room } of owners.values()) expect(room.path, name).to.match(/^server\//);
    expect(owners.get("claims")?.room.path).to.equal("server/features/use");
    expect(owners.get("migrations")?.room.path).to.equal("server/db");
  });

  const foreign = [
    ["a read", "select 1 from invoice_states", "reads invoice_states", "server/mirror"],
    ["a join", "select 1 from claims c join lots l on true", "reads lots", "server/mirror"],
    ["a list", "select 1 from claims c, lots as l", "reads lots", "server/mirror"],
    ["a subquery", "select (select 1 from lots)", "reads lots", "server/mirror"],
    [
      "a second entry behind one",
      "select 1 from (select 1) a, lots",
      "reads lots",
      "server/mirror",
    ],
    ["an insert", "insert into operations (id) values (1)", "writes operations", "server/acts"],
    ["an update", "update operations o set id = 1", "writes operations", "server/acts"],
    ["a delete", "delete from operations", "writes operations", "server/acts"],
    ["using", "delete from claims c using lots l where true", "reads lots", "server/mirror"],
    ["an update's from", "update claims set id = 1 from lots", "reads lots", "server/mirror"],
    ["truncate", "truncate claims, lots", "writes lots", "server/mirror"],
    ["a lock of it", "lock table lots in share mode", "writes lots", "server/mirror"],
    [
      "a write to a view",
      "update record_now set state = 'x'",
      "writes record_now",
      "server/mirror",
    ],
    [
      "a cast",
      "select reltuples from pg_class where oid = 'lots'::regclass",
      "reads lots",
      "server/mirror",
    ],
    ["a CTE's", "with a as (select 1 from lots) select 1 from a", "reads lots", "server/mirror"],
    ["the schema's name", "select 1 from public.lots", "reads lots", "server/mirror"],
    ["the name alone", "lots", "reads lots", "server/mirror"],
    ["upper case", "SELECT 1 FROM lots", "reads lots", "server/mirror"],
    [
      "a view of a room above",
      "select 1 from audit_lot_now",
      "reads audit_lot_now",
      "server/features/bureau",
    ],
  ] as const;
  for (const [label, statement, use, room] of foreign)
    it(`${label} of another room's is refused`, () => {
      expect(violations(claims, statement)).to.deep.equal([`${use}: it belongs to ${room}`]);
    });

  it("a table that no migration creates is refused", () => {
    expect(violations(claims, "select 1 from claimz where true")).to.deep.equal([
      "reads claimz: no migration creates it",
    ]);
  });

  const own = [
    "select 1 from claims c join claim_invoices i on i.claim = c.id for update of c skip locked",
    "insert into claims (id) values (1) on conflict (id) do update set id = claims.id",
    "select 1 from record_now s join lot_now l on l.first = s.lot for share",
    "select extract(epoch from lots), a is distinct from lots from claims",
    "with lots as (select 1 from claims) select 1 from lots",
    `select 1 from unnest(\${a}::numeric[]) as lots (number) cross join lateral (select 1) x`,
    "select lots, invoices from claims order by lots",
    "select 'from lots', \"lots\" from claims -- from lots",
    "select reltuples from pg_class",
  ];
  for (const statement of own)
    it(`allowed: ${statement}`, () => {
      expect(violations(claims, statement)).to.deep.equal([]);
    });

  it("statements are found in every position", () => {
    const source = [
      'const name = sql("lots");',
      `await deps.sql<{ n: number }[]>\`select 1 from \${tx\`operations\`}\`;`,
      `await sql.unsafe(\`select 1 from sends where \${x}\`);`,
      "await sql.unsafe('select 1 from lanes');",
      'const mirror = { name: "x", tables: ["quotas", "segments"] };',
    ].join("\n");
    const uses = statementsOf(source).flatMap(({ line, text }) =>
      usesOf(text).map(({ name }) => `${line} ${name}`),
    );
    expect(uses).to.have.members([
      "1 lots",
      "2 operations",
      "3 sends",
      "4 lanes",
      "5 quotas",
      "5 segments",
    ]);
  });

  it("a migration follows the same rules, except for triggers and references on tables below", () => {
    const file = "server/db/migrations/012_use.sql";
    const room = roomOfMigration(file);
    const violations = (text: string) =>
      violationsIn(file, [{ line: 1, text }], owners, room).map((line) =>
        line.replace(/^\S+: /, ""),
      );
    expect(violations(readFileSync(join(root, file), "utf8"))).to.deep.equal([]);
    expect(
      violations("create trigger x after insert on operations for each row execute function f();"),
    ).to.be.empty;
    expect(violations("create index on operations (id);")).to.deep.equal([
      "writes operations: it belongs to server/acts",
    ]);
    expect(violations("create view x_now as select 1 from operations;")).to.deep.equal([
      "reads operations: it belongs to server/acts",
    ]);
    expect(violations("alter table operations add column x int;")).to.deep.equal([
      "writes operations: it belongs to server/acts",
    ]);
    expect(
      violations("create trigger x after insert on deposits for each row execute function f();"),
    ).to.deep.equal(["refers to deposits: it belongs to server/features/bureau"]);
    expect(roomOfMigration("server/db/migrations/020_invoices_notes.sql").path).to.equal(
      "server/features/invoices",
    );
    expect(() => roomOfMigration("server/db/migrations/020_notes.sql")).to.throw(
      /named after a room/,
    );
  });
});
