/**
 * Exports reports as CSV, one row for each invoice, with the columns that accounting software
 * needs.
 */
import { FileExcelOutlined } from "@ant-design/icons";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Button } from "antd";
import { saveFile } from "../../shared/client.ts";
import { ProblemNote } from "../../shared/problem.tsx";
import { useSession } from "../../shared/session.tsx";
import { itemQuery } from "./checked.ts";
import { claimPage } from "./claim-filter.tsx";
import type { ClaimFilter } from "./claim-query.ts";
import { claimColumns, claimRow } from "./claim-rows.ts";
import { type Cell, csvFile } from "./csv.ts";
import type { Claim } from "./decide.tsx";
import { useWords } from "./messages.ts";
import { nameOfPerson } from "./names.ts";

const PAGE = 100;
async function allClaims(filter: ClaimFilter): Promise<Claim[]> {
  const all: Claim[] = [];
  for (let before = ""; ; ) {
    const { items } = await claimPage(filter, before, PAGE);
    all.push(...items);
    const last = items[items.length - 1];
    if (items.length < PAGE || last === undefined) return all;
    before = last.id;
  }
}

export function ExportClaims({
  filter,
  claims: chosen,
}: {
  filter?: ClaimFilter;
  claims?: readonly Claim[];
}) {
  const say = useWords();
  const session = useSession();
  const queries = useQueryClient();
  const save = useMutation({
    async mutationFn() {
      const claims = chosen ?? (await allClaims(filter ?? { state: "all" }));
      const rows: Cell[][] = [claimColumns.map((column) => say(`csv.${column}`))];
      for (const claim of claims) {
        const { holder, invoices } = claim;
        const name =
          holder === session.account
            ? session.name
            : await queries.fetchQuery({
                queryKey: ["person", holder],
                queryFn: () => nameOfPerson(holder),
                staleTime: Number.POSITIVE_INFINITY,
              });
        for (const item of invoices) {
          const invoice = await queries.fetchQuery(itemQuery(item));
          rows.push(claimRow(claim, item, invoice, name));
        }
      }
      saveFile(
        csvFile(rows),
        chosen?.length === 1
          ? `claim-${chosen[0]?.id}.csv`
          : `claims-${filter?.state ?? "all"}.csv`,
      );
    },
  });
  return (
    <>
      <Button icon={<FileExcelOutlined />} loading={save.isPending} onClick={() => save.mutate()}>
        {say("export.csv")}
      </Button>
      <ProblemNote error={save.error} />
    </>
  );
}
