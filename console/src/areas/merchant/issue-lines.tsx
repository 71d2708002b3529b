/** The lines of the form, with their sums beside the fields. */
import { DeleteOutlined, PlusOutlined } from "@ant-design/icons";
import { formatTotal } from "@onepiao/protocol/values/money.ts";
import { Button, Form, Input, Select } from "antd";
import { formatAmount, percentOf } from "../../shared/amounts.ts";
import {
  type DraftLine,
  decimalOf,
  hasPrice,
  moneyOf,
  type Reckoned,
  rates,
  reckonLines,
} from "./draft.ts";
import { useWords } from "./messages.ts";

/** Lines of an invoice. */
const MAX_LINES = 200;

function LineFields({
  at,
  line,
  reckoned,
  inclusive,
  currency,
  onRemove,
}: {
  at: number;
  line: DraftLine;
  reckoned: Reckoned | undefined;
  inclusive: boolean;
  currency: string;
  onRemove: (() => void) | undefined;
}) {
  const say = useWords();
  const byQuantity = hasPrice(line);
  const gross = reckoned && reckoned.amount + reckoned.tax;
  const grossOff = reckoned && reckoned.discount + reckoned.discountTax;
  const isTooLarge =
    reckoned !== undefined &&
    (inclusive ? (grossOff as bigint) > (gross as bigint) : reckoned.discount > reckoned.amount);
  const amountLabel = say(inclusive ? "line.amount.gross" : "line.amount");
  const show = (cents: bigint | undefined) =>
    cents === undefined ? "—" : formatAmount(formatTotal(cents), currency);
  const figure = (
    read: (text: string) => string | undefined,
    message: string,
    required = false,
  ) => ({
    validator: (_: unknown, text?: string) =>
      (text ?? "").trim() === ""
        ? required
          ? Promise.reject(message)
          : Promise.resolve()
        : read(text ?? "") === undefined
          ? Promise.reject(message)
          : Promise.resolve(),
  });
  /** A quantity without a unit price, or the reverse, means nothing. */
  const together = (other: "quantity" | "unitPrice") => ({
    validator: (_: unknown, text?: string) =>
      (text ?? "").trim() === "" && (line[other] ?? "").trim() !== ""
        ? Promise.reject(say("line.together"))
        : Promise.resolve(),
  });
  return (
    <fieldset className="line">
      <legend className="line-legend">{say("line.legend", { at: at + 1 })}</legend>
      <div className="line-fields">
        <Form.Item
          name={[at, "name"]}
          label={say("line.name")}
          className="line-name"
          rules={[{ required: true, whitespace: true, message: say("line.name.missing") }]}
        >
          <Input maxLength={300} placeholder={say("line.name.example")} />
        </Form.Item>
        <Form.Item name={[at, "spec"]} label={say("line.spec")}>
          <Input maxLength={200} />
        </Form.Item>
        <Form.Item name={[at, "unit"]} label={say("line.unit")}>
          <Input maxLength={40} />
        </Form.Item>
        <Form.Item
          name={[at, "quantity"]}
          label={say("line.quantity")}
          dependencies={[["lines", at, "unitPrice"]]}
          rules={[figure(decimalOf, say("figure.bad")), together("unitPrice")]}
        >
          <Input inputMode="decimal" maxLength={34} />
        </Form.Item>
        <Form.Item
          name={[at, "unitPrice"]}
          label={say(inclusive ? "line.price.gross" : "line.price")}
          dependencies={[["lines", at, "quantity"]]}
          rules={[figure(decimalOf, say("figure.bad")), together("quantity")]}
        >
          <Input inputMode="decimal" maxLength={34} />
        </Form.Item>
        {byQuantity ? (
          <Form.Item label={amountLabel} htmlFor={`line-${at}-amount`}>
            <Input
              id={`line-${at}-amount`}
              readOnly
              value={show(inclusive ? gross : reckoned?.amount)}
              className="reckoned"
            />
          </Form.Item>
        ) : (
          <Form.Item
            name={[at, "amount"]}
            label={amountLabel}
            rules={[figure(moneyOf, say("money.bad"), true)]}
          >
            <Input inputMode="decimal" maxLength={20} />
          </Form.Item>
        )}
        <Form.Item
          name={[at, "taxRate"]}
          label={say("line.rate")}
          rules={[{ required: true, message: say("line.rate.missing") }]}
        >
          <Select options={rates.map((value) => ({ value, label: percentOf(value) }))} />
        </Form.Item>
        <Form.Item
          name={[at, "discount"]}
          label={say(inclusive ? "line.discount.gross" : "line.discount")}
          rules={[
            figure(moneyOf, say("money.bad")),
            {
              validator: () =>
                isTooLarge ? Promise.reject(say("line.discount.large")) : Promise.resolve(),
            },
          ]}
        >
          <Input inputMode="decimal" maxLength={20} />
        </Form.Item>
      </div>
      <div className="row between line-foot">
        <span className="quiet">
          {say("line.tax")}{" "}
          <span className="number">{show(reckoned && reckoned.tax - reckoned.discountTax)}</span> ·{" "}
          {say("line.sum")}{" "}
          <strong className="number">
            {show(gross === undefined || grossOff === undefined ? undefined : gross - grossOff)}
          </strong>
        </span>
        {onRemove ? (
          <Button
            type="text"
            icon={<DeleteOutlined />}
            onClick={onRemove}
            aria-label={say("line.remove", { at: at + 1 })}
          >
            {say("line.remove.short")}
          </Button>
        ) : null}
      </div>
    </fieldset>
  );
}

export function Lines({
  lines,
  inclusive,
  currency,
}: {
  lines: readonly DraftLine[];
  inclusive: boolean;
  currency: string;
}) {
  const say = useWords();
  const reckoned = reckonLines(lines, inclusive);
  const form = Form.useFormInstance();
  /** Moves the focus to a line after it was added, or after the line before it was removed. */
  const goTo = (at: number) => setTimeout(() => form.focusField(["lines", at, "name"]));
  return (
    <Form.List name="lines">
      {(fields, { add, remove }) => (
        <div className="stack">
          {fields.map(({ key, name }) => (
            <LineFields
              key={key}
              at={name}
              line={lines[name] ?? {}}
              reckoned={reckoned[name]}
              inclusive={inclusive}
              currency={currency}
              onRemove={
                fields.length > 1
                  ? () => {
                      remove(name);
                      goTo(Math.max(0, name - 1));
                    }
                  : undefined
              }
            />
          ))}
          <div>
            {/* most lines have the same rate as the line before */}
            <Button
              icon={<PlusOutlined />}
              disabled={fields.length >= MAX_LINES}
              onClick={() => {
                add({ taxRate: lines.at(-1)?.taxRate ?? "0.06" });
                goTo(fields.length);
              }}
            >
              {say("line.add")}
            </Button>
          </div>
        </div>
      )}
    </Form.List>
  );
}
