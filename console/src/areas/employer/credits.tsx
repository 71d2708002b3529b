/**
 * Red letters and credit notes of external invoices: what this employer has recorded, and what it
 * has reimbursed too much, until it has the money back.
 */
import { Button } from "antd";
import { useAct } from "../../shared/act.ts";
import { formatAmount } from "../../shared/amounts.ts";
import { ask } from "../../shared/client.ts";
import { useConfirm } from "../../shared/confirm.tsx";
import { CreditNotes, type Overpaid, OverpaidList } from "../../shared/credits.tsx";
import { Page } from "../../shared/frame.tsx";
import { ProblemNote } from "../../shared/problem.tsx";
import { useWords } from "./messages.ts";

function Recover({ overpaid: { overpaid, amount, currency } }: { overpaid: Overpaid }) {
  const say = useWords();
  const confirm = useConfirm();
  const mark = useAct(
    (_: undefined, once) =>
      ask("POST /v1/external-overpaid/{overpaid}/recovered", { params: { overpaid }, ...once }),
    { refreshes: [["external-overpaid"], ["external"], ["externals"]] },
  );
  const askFirst = async () => {
    const question = {
      title: say("credits.recover.title"),
      detail: <p>{say("credits.recover.detail", { amount: formatAmount(amount, currency) })}</p>,
      final: say("credits.recover.final"),
      yes: say("credits.recover"),
    };
    if (await confirm(question)) mark.mutate(undefined);
  };
  return (
    <>
      <Button onClick={() => void askFirst()} loading={mark.isPending}>
        {say("credits.recover")}
      </Button>
      <ProblemNote error={mark.error} />
    </>
  );
}

export function CreditsPage() {
  const say = useWords();
  return (
    <Page title={say("credits.title")}>
      <div className="stack">
        <div className="quiet">{say("credits.page")}</div>
        <OverpaidList action={(overpaid) => <Recover overpaid={overpaid} />} />
        <CreditNotes doubtful={false} title={say("credits.list")} />
      </div>
    </Page>
  );
}
