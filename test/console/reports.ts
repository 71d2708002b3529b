/**
 * A report as a clerk sees it: the checks of each invoice, the invoices that may be entered in the
 * books, rows for accounting software.
 */
import { expect } from "chai";
import fc from "fast-check";
import { inLedgerOrder, isOpen } from "../../console/src/areas/employer/book-entries.ts";
import {
  type Answer,
  checkedOf,
  type External,
  type History,
  holds,
  type Invoice,
  type Item,
  type Level,
  worst,
} from "../../console/src/areas/employer/checks.ts";
import { claimColumns, claimRow } from "../../console/src/areas/employer/claim-rows.ts";
import { csvOf } from "../../console/src/areas/employer/csv.ts";
import type { Schemas } from "../../console/src/shared/client.ts";

type Claim = Schemas["Claim"];
const ours = "91440305MA4JURQ28R";
const number = "26442000000000000001";
const external = `0x9d${"0".repeat(62)}`;
const document: Schemas["InvoiceDocument"] = {
  kind: "ordinary",
  issuedAt: "2026-11-24T10:00:00+08:00",
  currency: "CNY",
  seller: { taxId: "914403000000000011", name: "卖方" },
  buyer: { taxId: ours, name: "买方" },
  lines: [{ name: "餐费", amount: "100.00", taxRate: "0.06", tax: "6.00" }],
  totals: { net: "100.00", tax: "6.00", gross: "106.00" },
};
const invoice: Invoice = {
  number,
  status: "claimed",
  version: 1,
  titled: true,
  holder: `0x${"11".repeat(20)}`,
  acceptedAt: "2026-11-24T02:00:00Z",
  seller: "卖方",
  buyer: "买方",
  currency: "CNY",
  gross: "106.00",
  payable: "106.00",
  links: { self: "", history: "" },
  document,
};
const item: Item = { number, status: "claimed" };
const claim: Claim = {
  id: "c-1",
  status: "claimed",
  holder: invoice.holder,
  employer: { taxId: ours, name: "买方" },
  createdAt: "2026-11-24T03:00:00Z",
  amounts: [{ currency: "CNY", gross: "106.00", payable: "106.00" }],
  invoices: [item],
};
const foreign = {
  id: external,
  number: "A/1",
  proven: [],
  notProven: [],
  gross: "106.00",
  payable: "106.00",
  currency: "CNY",
  document,
} as unknown as External;
const event = (type: string, at: string, data: Record<string, unknown> = {}) => ({
  type,
  at,
  data,
});
const past = (...items: History["items"]) => ({ data: { items }, error: null });
const there = <T>(data: T): Answer<T> => ({ data, error: null, isPending: false });
const keysOf = (checked: ReturnType<typeof checkedOf>) =>
  checked.checks.map(({ key, level }) => `${level} ${key}`);
const checked = (
  changes: Partial<Invoice>,
  claimChanges: Partial<Claim> = {},
  history: Parameters<typeof checkedOf>[3] = past(),
) =>
  checkedOf(
    { ...claim, ...claimChanges },
    item,
    there<Invoice | External>({ ...invoice, ...changes }),
    history,
  );

describe("an invoice in a report", () => {
  const cases: [
    label: string,
    changes: Partial<Invoice>,
    claim: Partial<Claim>,
    history: Parameters<typeof checkedOf>[3],
    checks: string[],
  ][] = [
    [
      "that is as it should be",
      {},
      {},
      past(),
      ["good title.ours", "good state.locked", "good once"],
    ],
    [
      "that names no buyer",
      { document: { ...document, buyer: { name: "个人" } } },
      {},
      past(),
      ["note title.none", "good state.locked", "good once"],
    ],
    [
      "that names another buyer",
      { document: { ...document, buyer: { taxId: "DE1234", name: "X" } } },
      {},
      past(),
      ["bad title.other", "good state.locked", "good once"],
    ],
    [
      "that is paid",
      { status: "reimbursed" },
      { status: "reimbursed" },
      past(),
      ["good title.ours", "good state.paid", "good once"],
    ],
    [
      "that was paid by somebody else",
      { status: "reimbursed" },
      {},
      past(),
      ["good title.ours", "bad state.paidElsewhere", "good once"],
    ],
    [
      "that is claimed from somebody else",
      {},
      { status: "rejected" },
      past(),
      ["good title.ours", "bad state.elsewhere"],
    ],
    [
      "that waits for the chain",
      { status: "issued" },
      { status: "submitted" },
      past(),
      ["good title.ours", "note state.waiting"],
    ],
    [
      "that is free again",
      { status: "issued" },
      { status: "withdrawn" },
      past(),
      ["good title.ours", "note state.free"],
    ],
    [
      "that is not sealed yet",
      { status: "accepted" },
      { status: "refused" },
      past(),
      ["good title.ours", "note state.free"],
    ],
    [
      "that is reversed",
      { status: "reversed", left: { net: "0.00", tax: "0.00", gross: "0.00" } },
      {},
      past(),
      ["good title.ours", "bad state.reversed", "good once"],
    ],
    [
      "that is partly reversed",
      { left: { net: "50.00", tax: "3.00", gross: "53.00" } },
      {},
      past(),
      ["good title.ours", "good state.locked", "good once", "warn red.partly"],
    ],
    [
      "of which everything is left",
      { left: { net: "100.00", tax: "6.00", gross: "106.00" } },
      {},
      past(),
      ["good title.ours", "good state.locked", "good once"],
    ],
    [
      "that is a red letter itself",
      { reverses: "26442000000000000009" },
      {},
      past(),
      ["good title.ours", "good state.locked", "good once", "bad red.is"],
    ],
    [
      "with a red letter that waits",
      { redLetters: [{ id: "r", status: "02" }] },
      {},
      past(),
      ["good title.ours", "good state.locked", "good once", "warn red.waiting"],
    ],
    [
      "with a red letter that is issued",
      { redLetters: [{ id: "r", status: "04", number }] },
      {},
      past(),
      ["good title.ours", "good state.locked", "good once"],
    ],
    [
      "with a red letter that was refused",
      {
        redLetters: [
          { id: "r", status: "05" },
          { id: "s", status: "08" },
        ],
      },
      {},
      past(),
      ["good title.ours", "good state.locked", "good once"],
    ],
    [
      "that is in the books",
      { entry: "02" },
      {},
      past(),
      ["good title.ours", "good state.locked", "good once", "note entered"],
    ],
    [
      "whose entry was revoked",
      { entry: "06" },
      {},
      past(),
      ["good title.ours", "good state.locked", "good once"],
    ],
    [
      "that was claimed before, and of which a second claim was refused",
      {},
      {},
      past(
        event("claim.created", "t0", { claim: "c-0" }),
        event("claim.created", "t1", { claim: "c-1" }),
        event("reimbursement.refused", "t2"),
        event("reimbursement.refused", "t3"),
      ),
      ["good title.ours", "good state.locked", "good once", "note once.again", "warn once.tried"],
    ],
    [
      "whose history cannot be read",
      {},
      {},
      { data: undefined, error: new Error("lost") },
      ["good title.ours", "good state.locked", "good once", "warn once.unknown"],
    ],
    [
      "whose history is on its way",
      {},
      {},
      { data: undefined, error: null },
      ["good title.ours", "good state.locked", "good once"],
    ],
  ];
  for (const [label, changes, claimChanges, history, checks] of cases)
    it(`${label}: ${checks.at(-1)}`, () => {
      expect(keysOf(checked(changes, claimChanges, history))).deep.equals(checks);
    });

  it("says when it was tried last, how often, and how much is left to pay", () => {
    const history = past(
      event("reimbursement.refused", "t2"),
      event("reimbursement.refused", "t3"),
    );
    const { checks, left } = checked(
      { left: { net: "50.00", tax: "3.00", gross: "53.00" } },
      {},
      history,
    );
    expect(checks.find(({ key }) => key === "once.tried")).deep.equals({
      key: "once.tried",
      level: "warn",
      values: { count: 2 },
      at: "t3",
    });
    expect(checks.find(({ key }) => key === "red.partly")?.values).deep.equals({
      left: "53.00",
      gross: "106.00",
    });
    expect(left).deep.equals({ amount: "53.00", currency: "CNY" });
  });

  it("has no checks, and no amount, while its document is not there", () => {
    const error = new Error("offline");
    expect(checkedOf(claim, item, { error, isPending: false }, past())).deep.equals({
      item,
      name: number,
      error,
      pending: false,
      checks: [],
    });
    expect(checkedOf(claim, item, { error: null, isPending: true }, past()).pending).equals(true);
  });

  it("from elsewhere is never said to be proven, and is called by its id", () => {
    const outside: Item = { number: "A/1", id: external, external: true, status: "claimed" };
    const { name, checks, left } = checkedOf(
      claim,
      outside,
      there<Invoice | External>(foreign),
      past(),
    );
    expect(checks.map(({ key, level }) => `${level} ${key}`)).deep.equals([
      "good title.ours",
      "good state.locked",
      "good external.once",
      "warn external.unproven",
    ]);
    expect([name, left]).deep.equals([external, { amount: "106.00", currency: "CNY" }]);
    const rejected = checkedOf(
      { ...claim, status: "rejected" },
      { ...outside, status: "issued" },
      there<Invoice | External>(foreign),
      past(),
    );
    expect(keysOf(rejected)).deep.equals([
      "good title.ours",
      "note state.free",
      "warn external.unproven",
    ]);
  });

  it("is never good to pay when it belongs to another party, whatever its other facts are", () => {
    fc.assert(
      fc.property(
        fc.constantFrom<Invoice["status"]>(
          "accepted",
          "issued",
          "claimed",
          "reimbursed",
          "reversed",
        ),
        fc.constantFrom<Claim["status"]>(
          "submitted",
          "refused",
          "claimed",
          "reimbursed",
          "rejected",
          "withdrawn",
          "reversed",
        ),
        fc.option(fc.constantFrom(ours, "DE1234"), { nil: undefined }),
        (status, state, taxId) => {
          const { checks } = checked(
            {
              status,
              document: {
                ...document,
                buyer: { name: "X", ...(taxId === undefined ? {} : { taxId }) },
              },
            },
            { status: state },
          );
          expect(new Set(checks.map(({ key }) => key)).size).equals(checks.length);
          expect(worst(checks) === "bad").equals(
            taxId === "DE1234" ||
              status === "reversed" ||
              (status === "claimed" && state !== "claimed") ||
              (status === "reimbursed" && state !== "reimbursed"),
          );
          expect(checks.some(({ key }) => key === "once")).equals(holds(state));
        },
      ),
    );
  });

  it("is as bad as the worst of its checks", () => {
    const levels: Level[] = ["good", "note", "warn", "bad"];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...levels)), (some) => {
        const index = Math.max(0, ...some.map((level) => levels.indexOf(level)));
        expect(worst(some.map((level) => ({ key: "once", level })))).equals(levels[index]);
      }),
    );
  });
});

describe("an invoice that may be entered in the books", () => {
  const cases: [
    entry: Invoice["entry"],
    status: Invoice["status"],
    titled: boolean,
    reverses: string | undefined,
    open: boolean,
  ][] = [
    ["01", "issued", true, undefined, true],
    ["01", "claimed", true, undefined, true],
    ["06", "reimbursed", true, undefined, true],
    ["01", "reversed", true, undefined, false],
    ["01", "accepted", true, undefined, false],
    ["01", "issued", false, undefined, false],
    ["01", "claimed", false, undefined, false],
    ["01", "reimbursed", false, undefined, true],
    ["02", "reimbursed", true, undefined, false],
    ["03", "issued", true, undefined, false],
    [undefined, "issued", true, undefined, false],
    ["01", "issued", true, number, false],
  ];
  for (const [entry, status, titled, reverses, open] of cases)
    it(`${open ? "is" : "is not"} one ${titled ? "with" : "without"} a title, ${status}, with the mark ${entry ?? "none"}${reverses ? ", a red letter" : ""}`, () => {
      expect(
        isOpen({ ...(entry ? { entry } : {}), status, titled, ...(reverses ? { reverses } : {}) }),
      ).equals(open);
    });

  it("stands before those of greater value, numbers before ids, as the ledger takes them", () => {
    expect(inLedgerOrder([external, "26442000000000000010", number])).deep.equals([
      number,
      "26442000000000000010",
      external,
    ]);
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: 0n, max: 10n ** 20n - 1n })), (values) => {
        const names = values.map((value) => value.toString().padStart(20, "0"));
        const sorted = inLedgerOrder(names);
        expect([...sorted].sort()).deep.equals(sorted);
        expect([...names].sort()).deep.equals(sorted);
      }),
    );
  });
});

describe("a report as rows", () => {
  const row = (more: Partial<Claim>, changes: Partial<Invoice>, name: string | null | undefined) =>
    claimRow({ ...claim, ...more }, item, { ...invoice, ...changes }, name);
  const cell = (cells: unknown[], column: (typeof claimColumns)[number]) =>
    cells[claimColumns.indexOf(column)];

  it("has a cell for every column, whatever is missing", () => {
    for (const cells of [
      row({}, {}, undefined),
      row({ note: "n", reason: "r" }, { entry: "02" }, "张三"),
      claimRow(claim, { ...item, id: external }, foreign, null),
    ])
      expect(cells).to.have.length(claimColumns.length);
  });

  it("says what is left to pay: the whole when there are no red letters", () => {
    expect(cell(row({}, {}, "x"), "left")).equals("106.00");
    expect(
      cell(row({}, { left: { net: "50.00", tax: "3.00", gross: "53.00" } }, "x"), "left"),
    ).equals("53.00");
    expect(cell(claimRow(claim, item, foreign, null), "left")).equals("106.00");
    expect(cell(claimRow(claim, item, { ...foreign, payable: "6.00" }, null), "payable")).equals(
      "6.00",
    );
  });

  it("has the parties, the state and the mark each in its column, and the name of nobody it does not know", () => {
    const cells = row({ note: "出差", reason: "重复" }, { entry: "02" }, null);
    const expected: [(typeof claimColumns)[number], unknown][] = [
      ["claim", "c-1"],
      ["holder", ""],
      ["account", invoice.holder],
      ["note", "出差"],
      ["reason", "重复"],
      ["invoice", number],
      ["external", undefined],
      ["seller", "卖方"],
      ["buyerTaxId", ours],
      ["issued", document.issuedAt],
      ["gross", "106.00"],
      ["payable", "106.00"],
      ["entry", "02"],
    ];
    for (const [column, value] of expected) expect(cell(cells, column), column).equals(value);
  });

  it("computes nothing in a spreadsheet that a holder or a seller has written", () => {
    const text = csvOf([
      row(
        { note: "=1+1" },
        { document: { ...document, seller: { taxId: "X", name: "@SUM(A1)" } } },
        "+张三",
      ),
    ]);
    for (const formula of ["'=1+1", "'@SUM(A1)", "'+张三", `"\t${number}"`])
      expect(text).to.include(formula);
  });
});
