/**
 * What a file or a code says of itself, and of an invoice that was issued elsewhere: whether it is
 * in use in this network, and where its authority is asked.
 */
import { Alert, Button, Descriptions } from "antd";
import { formatAmount } from "../../shared/amounts.ts";
import type { Schemas } from "../../shared/client.ts";
import { useFormats } from "../../shared/formats.ts";
import { useWords } from "./messages.ts";

type ByPrint = Schemas["VerifiedByPrint"];
export type Elsewhere = Pick<ByPrint, "says" | "code" | "registered" | "askAt">;

/** Label and text of each fact, in the order in which papers show them. */
function useFacts({ says, code }: Elsewhere) {
  const say = useWords();
  const { title } = useFormats();
  if (says !== undefined) {
    const { format, number, seller, date, currency, total } = says;
    return [
      ["says.format", title(format)],
      ["says.number", number],
      ["shown.date", date],
      ["shown.seller", [seller.name, seller.taxId].filter(Boolean).join(" ")],
      ["shown.total", formatAmount(total, currency)],
    ] as const;
  }
  if (code === undefined) return [];
  const { kind, number, date, total, net } = code;
  const amount = (text: string | undefined) => text && formatAmount(text, "CNY");
  return [
    ["says.kind", code.title ?? say(`code.${kind}`)],
    ["says.code", code.code],
    ["says.number", number],
    ["shown.date", date],
    ["shown.total", amount(total)],
    ["says.net", amount(net)],
  ] as const;
}

export function ElsewhereParts({ answer }: { answer: Elsewhere }) {
  const say = useWords();
  const { registered, askAt } = answer;
  const items = useFacts(answer).filter(([, text]) => text !== undefined && text !== "");
  return (
    <>
      {registered === undefined ? null : (
        <Alert
          type={registered ? "warning" : "info"}
          showIcon
          role="status"
          title={say(registered ? "registered" : "registered.not")}
          description={say(registered ? "registered.detail" : "registered.not.detail")}
        />
      )}
      {askAt === undefined ? null : (
        <div>
          <Button href={askAt} target="_blank" rel="noreferrer">
            {say("askAt", { host: new URL(askAt).hostname })}
          </Button>
        </div>
      )}
      {items.length === 0 ? null : (
        <section>
          <h3>{say(answer.says ? "says.file" : "says.code.title")}</h3>
          <Descriptions
            column={1}
            size="small"
            bordered
            classNames={{ label: "nowrap", content: "breaks" }}
            items={items.map(([key, children]) => ({ key, label: say(key), children }))}
          />
        </section>
      )}
    </>
  );
}
