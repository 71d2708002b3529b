/**
 * A clerk drops a credit note of an invoice that is reimbursed, finds the sum among what was paid
 * too much, and marks it as recovered; the bureau sees it meanwhile.
 */
import { preceding, ubl } from "../formats/european.ts";
import { freshTaxId } from "../server/network.ts";
import { fitsItsWidth, isAccessible, open, shot, stage } from "./fixture.ts";

describe("credit notes of external invoices, in the console", () => {
  it("a dropped credit note is recorded; what was paid too much is listed until it is recovered", async () => {
    const { client, sandbox } = await stage();
    const bureau = sandbox.bureau.token;
    const taxId = freshTaxId();
    const { body: firm } = await client.done("POST /v1/taxpayers", {
      body: { name: "追回多付公司", taxId, capabilities: ["employer"] },
      token: bureau,
    });
    const { body: key } = await client.done("POST /v1/api-keys", {
      body: { account: String(firm.account), roles: ["admin"] },
      token: bureau,
    });
    const token = String(key.token);
    const number = `RE-${crypto.randomUUID().slice(0, 8)}`;
    const { body: made } = await client.done("POST /v1/external-invoices", {
      body: ubl({ id: number }),
      type: "application/xml",
      token,
    });
    if (!("claim" in made)) throw new Error("No registration");
    await client.done("POST /v1/claims/{id}/reimburse", { params: { id: made.claim.id }, token });

    const page = await open("/employer/external", { key: token, language: "zh-CN" });
    const note = `GS-${number.slice(3)}`;
    const text = ubl({ id: note, root: "CreditNote", references: preceding(number) });
    await page.locator('input[type="file"]').setInputFiles({
      name: "credit.xml",
      mimeType: "application/xml",
      buffer: Buffer.from(text),
    });
    const results = page.getByRole("region", { name: "登记结果" });
    await results.getByText(`Muster GmbH · ${note}`).waitFor();
    await results.getByText("多付 €119.00").waitFor();
    await isAccessible(page);

    await page.getByRole("link", { name: "外部红字" }).first().click();
    await page.getByRole("cell", { name: note }).first().waitFor();
    await page.getByText("合计 €119.00").waitFor();
    await isAccessible(page);
    await fitsItsWidth(page);
    await shot(page, "employer-credits");

    const watching = await open("/bureau/refusals", { key: bureau, language: "en-US" });
    await watching.getByRole("cell", { name: "追回多付公司" }).first().waitFor();
    await isAccessible(watching);

    await page.getByRole("button", { name: "标记为已追回" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "标记为已追回" }).click();
    await page.getByText("没有多付的报销。").waitFor();
    await page.getByText("已追回", { exact: true }).click();
    await page.getByRole("cell", { name: number }).first().waitFor();
  });
});
