/**
 * Corrections (384) of invoices that were issued elsewhere: a correction takes the place of the
 * invoice that it names, so one of the two is claimed, in whatever order they come.
 */
import { randomInt } from "node:crypto";
import { expect } from "chai";
import { preceding, type UblWish, ubl } from "../formats/european.ts";
import { call, type Loose, must, type Reply, type TestParty, taxpayer } from "./network.ts";
import { refused } from "./observe.ts";

const fresh = () => `KO-${randomInt(1e12)}`;

describe("corrections of invoices that were issued elsewhere", () => {
  let firm: TestParty;
  let other: TestParty;
  const register = (wish: UblWish, by = firm, query = ""): Promise<Reply> =>
    call("POST", `/v1/external-invoices${query}`, ubl(wish), {
      token: by.token,
      type: "application/xml",
    });
  const correction = (references: string, more: UblWish = {}): UblWish => ({
    id: fresh(),
    code: "384",
    references,
    ...more,
  });
  const reject = (claim: string) =>
    must(
      call("POST", `/v1/claims/${claim}/reject`, { reason: "corrected" }, { token: firm.token }),
    );

  before(async () => {
    [firm, other] = await Promise.all([
      taxpayer("更正票公司", ["employer"]),
      taxpayer("另一家更正票公司", ["employer"]),
    ]);
  });

  it("are not claimed beside the invoice that they correct, but after its rejection", async () => {
    const id = fresh();
    const first = await must(register({ id }));
    const later = correction(preceding(id));
    const { original, detail } = refused(await register(later), "external-registered") as Loose;
    expect(original.claim).equals(first.claim.id);
    expect(detail).includes("One of the two is reimbursed");
    const look = await must(register(later, firm, "?dryRun=true"));
    expect([look.state, look.original.claim]).deep.equals(["registered", first.claim.id]);
    await reject(first.claim.id);
    expect((await must(register(later))).claim.status).equals("claimed");
  });

  it("keep the invoice that they correct from being claimed after them, by every employer", async () => {
    const id = fresh();
    const made = await must(register(correction(preceding(id, "2026-11-03"))));
    const { original } = refused(await register({ id }), "external-registered") as Loose;
    expect(original.claim).equals(made.claim.id);
    refused(await register({ id }, other), "already-claimed");
    refused(await register(correction(preceding(id)), other), "already-claimed");
  });

  it("of an invoice of another year take the place of that one alone", async () => {
    const id = fresh();
    await must(register(correction(preceding(id, "2025-11-03"))));
    expect((await must(register({ id }))).claim.status).equals("claimed");
  });

  it("of so many invoices that one act cannot claim them are refused, and nothing is kept", async () => {
    const wish = correction(Array.from({ length: 100 }, () => preceding(fresh())).join(""));
    const { errors } = refused(await register(wish), "invalid-document") as Loose;
    expect(errors.map(({ rule }: Loose) => rule)).deep.equals(["corrects-too-many"]);
    const few = { ...wish, references: preceding(fresh()) };
    expect((await must(register(few))).claim.status).equals("claimed");
  });
});
