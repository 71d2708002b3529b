/**
 * Filters of lists: from the typed text to the page's address, from there to the request to the
 * gateway, and back.
 */
import { expect } from "chai";
import fc from "fast-check";
import {
  type ClaimFilter,
  claimAddress,
  claimQuery,
  claimStates,
  narrowing,
  readClaimFilter,
  typedClaimFilter,
} from "../../console/src/areas/employer/claim-query.ts";
import {
  countOf,
  type InvoiceFilter,
  isFiltered,
  queryOf,
  readInvoiceFilter,
  typedFilter,
} from "../../console/src/shared/invoice-filter.ts";

const taxIds = fc.constantFrom("91440305MA4JURQ28R", "DE123456789", "US12");
const days = fc
  .date({ min: new Date("2000-01-01"), max: new Date("2099-12-31"), noInvalidDate: true })
  .map((at) => at.toISOString().slice(0, 10));
const ends = fc
  .record({ from: days, to: days }, { requiredKeys: [] })
  .map(({ from, to }) =>
    from && to && from > to
      ? { from: to, to: from }
      : { ...(from ? { from } : {}), ...(to ? { to } : {}) },
  );
const words = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 40 })
  .filter((text) => text.trim() !== "");
const invoiceFilters: fc.Arbitrary<InvoiceFilter> = fc
  .tuple(
    fc.record(
      {
        state: fc.constantFrom("accepted", "issued", "claimed", "reimbursed", "reversed"),
        buyer: taxIds,
        seller: taxIds,
        source: words,
      },
      { requiredKeys: [] },
    ),
    ends,
  )
  .map(([rest, between]) => ({ ...rest, ...between }) as InvoiceFilter);
const claimFilters: fc.Arbitrary<ClaimFilter> = fc
  .tuple(
    fc.record(
      { state: fc.constantFrom(...claimStates), invoice: words, seller: taxIds },
      { requiredKeys: ["state"] },
    ),
    ends,
  )
  .map(([rest, between]) => ({ ...rest, ...between }) as ClaimFilter);
/** Through the address bar: written as an address, and read from one. */
const throughAddress = (entries: [string, string][]) =>
  new URLSearchParams(new URLSearchParams(entries).toString());

describe("the filter of a list of invoices", () => {
  it("comes back from the page's address as it was", () => {
    fc.assert(
      fc.property(invoiceFilters, (filter) => {
        expect(readInvoiceFilter(throughAddress(Object.entries(filter)))).deep.equals(filter);
      }),
    );
  });

  const unread: [label: string, address: string][] = [
    ["an unknown state", "state=lost"],
    ["a name that every object has", "state=constructor&toString=1&__proto__=1"],
    ["days that are not dates", "from=2026-02-30&to=yesterday"],
    ["an invalid tax id", "buyer=nobody%20here&seller=91440305MA4JURQ28X"],
    ["blanks", "source=%20%20&buyer=&state="],
    ["an id that is longer than any", `source=${"x".repeat(201)}`],
    ["parameters that no filter has", "page=2&limit=1000"],
  ];
  for (const [label, address] of unread)
    it(`is empty where ${label} stands in the address`, () => {
      const filter = readInvoiceFilter(new URLSearchParams(address));
      expect([filter, isFiltered(filter), countOf(filter)]).deep.equals([{}, false, 0]);
    });

  it("is read of whatever address without an error, and holds only what it can ask for", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.constantFrom("state", "from", "to", "buyer", "seller", "source"),
            fc.string({ unit: "grapheme" }),
          ),
        ),
        (entries) => {
          const filter = readInvoiceFilter(throughAddress(entries));
          expect(readInvoiceFilter(throughAddress(Object.entries(filter)))).deep.equals(filter);
        },
      ),
    );
  });

  it("has its days in order, also when an address has them the other way round", () => {
    expect(readInvoiceFilter(new URLSearchParams("from=2026-03-01&to=2026-02-01"))).deep.equals({
      from: "2026-02-01",
      to: "2026-03-01",
    });
  });

  it("asks for whole days in China, for the state by the API's word, and for nothing that is not wanted", () => {
    expect(
      queryOf({ state: "issued", from: "2026-12-31", to: "2026-12-31", source: "S-1" }),
    ).deep.equals({
      from: "2026-12-31T00:00:00+08:00",
      to: "2027-01-01T00:00:00+08:00",
      status: "issued",
      sourceId: "S-1",
    });
    expect(queryOf({})).deep.equals({});
    fc.assert(
      fc.property(invoiceFilters, (filter) => {
        const query = queryOf(filter);
        expect(Object.keys(query)).to.have.length(Object.keys(filter).length);
        if (query.from !== undefined && query.to !== undefined)
          expect(Date.parse(query.from)).lessThan(Date.parse(query.to));
      }),
    );
  });

  it("counts what narrows the list beside its state, days once", () => {
    const counts: [InvoiceFilter, number][] = [
      [{ state: "issued" }, 0],
      [{ state: "issued", from: "2026-01-01", to: "2026-01-31" }, 1],
      [{ to: "2026-01-31" }, 1],
      [{ from: "2026-01-01", buyer: "DE123456789", source: "x" }, 3],
    ];
    for (const [filter, count] of counts) expect(countOf(filter)).equals(count);
  });

  it("is what is typed, beside the state that was chosen", () => {
    const between = { from: "2026-01-01", to: undefined };
    expect(typedFilter("issued", "buyer", " 91440305ma4jurq28r ", between)).deep.equals({
      state: "issued",
      from: "2026-01-01",
      buyer: "91440305MA4JURQ28R",
    });
    expect(
      typedFilter(undefined, "seller", "９１４４０３０５ＭＡ４ＪＵＲＱ２８Ｒ", {}),
    ).deep.equals({ seller: "91440305MA4JURQ28R" });
    expect(typedFilter(undefined, "seller", "  ", {})).deep.equals({});
  });
});

describe("the filter of the inbox", () => {
  it("comes back from the page's address as it was; what waits for a decision needs no address", () => {
    fc.assert(
      fc.property(claimFilters, (filter) => {
        expect(readClaimFilter(throughAddress(claimAddress(filter)))).deep.equals(filter);
      }),
    );
    expect(claimAddress({ state: "claimed" })).deep.equals([]);
    expect(narrowing({ state: "all" })).deep.equals({});
  });

  it("is that of what waits where the address cannot be read", () => {
    for (const address of [
      "",
      "state=lost",
      "state=toString&from=2026-02-30",
      "invoice=%20&seller=x",
      "state=CLAIMED",
    ])
      expect(readClaimFilter(new URLSearchParams(address)), address).deep.equals({
        state: "claimed",
      });
    expect(
      readClaimFilter(new URLSearchParams("state=all&from=2027-01-01&to=2026-12-31")),
    ).deep.equals({ state: "all", from: "2026-12-31", to: "2027-01-01" });
  });

  it("asks for a state only when it is one, and for the next page only when there is one before", () => {
    expect(claimQuery({ state: "all" }, "")).deep.equals({});
    expect(claimQuery({ state: "submitted", invoice: "1", to: "2028-02-28" }, "id")).deep.equals({
      invoice: "1",
      to: "2028-02-29T00:00:00+08:00",
      status: "submitted",
      before: "id",
    });
  });

  it("looks for another invoice in reports of all states, and stays in its state for the same one", () => {
    const number = "26442000000000000001";
    expect(typedClaimFilter({ state: "claimed" }, { invoice: ` ${number} ` }, {})).deep.equals({
      state: "all",
      invoice: number,
    });
    expect(
      typedClaimFilter({ state: "rejected", invoice: number }, { invoice: number }, {}),
    ).deep.equals({ state: "rejected", invoice: number });
    expect(
      typedClaimFilter({ state: "rejected", invoice: number }, { invoice: " " }, {}),
    ).deep.equals({ state: "rejected" });
    expect(
      typedClaimFilter({ state: "claimed" }, { seller: "de 123456789" }, { from: "2026-01-01" }),
    ).deep.equals({
      state: "claimed",
      seller: "DE123456789",
      from: "2026-01-01",
    });
  });
});
