/**
 * Transfers: what others offer to this holder, what this holder offers, and the QR code of the
 * holder's account.
 */
import { useQuery } from "@tanstack/react-query";
import { Button, Card, Empty, QRCode } from "antd";
import { useAct } from "../../shared/act.ts";
import { ask, type Schemas } from "../../shared/client.ts";
import { useConfirm } from "../../shared/confirm.tsx";
import { Page } from "../../shared/frame.tsx";
import { useRefresh } from "../../shared/live.tsx";
import { Loaded, ProblemNote } from "../../shared/problem.tsx";
import { useSession } from "../../shared/session.tsx";
import { Account, InvoiceNumber, Money, StateTag, Time } from "../../shared/show.tsx";
import { useWords } from "./messages.ts";

type Transfer = Schemas["Transfer"];

function Offer({ transfer, outgoing }: { transfer: Transfer; outgoing: boolean }) {
  const say = useWords();
  const confirm = useConfirm();
  const { id, number, from, to, status, createdAt, invoice } = transfer;
  const refreshes = [["transfers"], ["invoices"], ["invoice", number]];
  const answer = useAct(
    (word: "accept" | "decline" | "withdraw", once) =>
      ask(`POST /v1/transfers/{id}/${word}` as const, { params: { id }, ...once }),
    {
      refreshes,
    },
  );
  const accept = async () => {
    if (
      await confirm({
        title: say("transfers.accept.title"),
        detail: say("transfers.accept.detail"),
        yes: say("transfers.accept"),
      })
    )
      answer.mutate("accept");
  };
  const decline = async () => {
    const question = {
      title: say("transfers.decline.title"),
      final: say("transfers.decline.final"),
      yes: say("transfers.decline"),
    };
    if (await confirm(question)) answer.mutate("decline");
  };
  return (
    <Card size="small">
      <div className="stack">
        <div className="row between">
          <StateTag state={status} />
          <span className="quiet small">
            <Time at={createdAt} />
          </span>
        </div>
        {invoice === undefined ? null : (
          <div className="row between">
            <strong>{invoice.seller}</strong>
            <Money amount={invoice.gross} currency={invoice.currency} />
          </div>
        )}
        <InvoiceNumber number={number} />
        <div>
          <span className="quiet">{say(outgoing ? "transfers.to" : "transfers.from")}</span>{" "}
          <Account account={outgoing ? to : from} />
        </div>
        <ProblemNote error={answer.error} />
        {status !== "offered" ? null : outgoing ? (
          <Button loading={answer.isPending} onClick={() => answer.mutate("withdraw")}>
            {say("transfers.withdraw")}
          </Button>
        ) : (
          <div className="row">
            <Button type="primary" loading={answer.isPending} onClick={() => void accept()}>
              {say("transfers.accept")}
            </Button>
            <Button disabled={answer.isPending} onClick={() => void decline()}>
              {say("transfers.decline")}
            </Button>
          </div>
        )}
      </div>
    </Card>
  );
}

function Offers({
  title,
  emptyText,
  items,
  account,
}: {
  title: string;
  emptyText?: string;
  items: readonly Transfer[];
  account: string;
}) {
  if (items.length === 0 && emptyText === undefined) return null;
  return (
    <section>
      <h2>{title}</h2>
      {items.length === 0 ? (
        <Empty description={emptyText} image={Empty.PRESENTED_IMAGE_SIMPLE} />
      ) : (
        <ul className="cards">
          {items.map((transfer) => (
            <li key={transfer.id}>
              <Offer transfer={transfer} outgoing={transfer.from === account} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

export function Transfers() {
  const say = useWords();
  const { account } = useSession();
  const transfers = useQuery({
    queryKey: ["transfers"],
    queryFn: () => ask("GET /v1/transfers", { query: { limit: 100 } }),
  });
  useRefresh(["transfer.offered", "transfer.ended", "invoice.transferred"], [["transfers"]]);
  return (
    <Page title={say("transfers.title")}>
      <div className="stack">
        <Loaded query={transfers}>
          {({ items }) => {
            const open = items.filter(({ status }) => status === "offered");
            return (
              <>
                <Offers
                  title={say("transfers.in")}
                  emptyText={say("transfers.in.none")}
                  items={open.filter(({ to }) => to === account)}
                  account={account}
                />
                <Offers
                  title={say("transfers.out")}
                  emptyText={say("transfers.out.none")}
                  items={open.filter(({ from }) => from === account)}
                  account={account}
                />
                <Offers
                  title={say("transfers.past")}
                  items={items.filter(({ status }) => status !== "offered")}
                  account={account}
                />
              </>
            );
          }}
        </Loaded>
        <Card title={<h2>{say("transfers.mine")}</h2>}>
          <div className="row">
            <QRCode
              value={account}
              type="svg"
              size={148}
              bgColor="#fff"
              color="#000"
              aria-label={say("transfers.mine")}
              role="img"
            />
            <div className="stack grows">
              <span className="quiet">{say("transfers.mine.help")}</span>
              <span className="breaks">
                <Account account={account} whole />
              </span>
            </div>
          </div>
        </Card>
      </div>
    </Page>
  );
}
