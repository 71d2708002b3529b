/**
 * Which reports the inbox shows: by state, by an invoice that is in them, by day. It stands in the page's address: a reload and a link
 * keep it. Days are China's, whatever clock the browser has.
 */
import { Button, Form, Input, Select } from "antd";
import { type ReactNode, useEffect } from "react";
import { useSearchParams } from "react-router";
import { isTaxId, normaliseTaxId } from "../../../../server/kernel/tax-id.ts";
import { api, ask } from "../../shared/client.ts";
import { DayFields, type Days, daysOf, endsOf, FilterPlace, given, isDay, rangeOf } from "../../shared/filter.tsx";
import { useStateName } from "../../shared/show.tsx";
import { useWords } from "./messages.ts";

export const states = ["claimed", "submitted", "reimbursed", "rejected", "withdrawn", "refused", "reversed", "all"] as const;
export type ClaimState = (typeof states)[number];
/** `invoice`: a number, or with `seller` that of an original that was issued elsewhere. `from`, `to`: the first day and the last one. */
export type ClaimFilter = { state: ClaimState; invoice?: string; seller?: string; from?: string; to?: string };

/** The filter of this page's address, and what changes it. What cannot be read there is as if it were not there. */
export function useClaimFilter() {
  const [search, setSearch] = useSearchParams();
  const read = (name: string, good: (text: string) => boolean = Boolean) => {
    const text = search.get(name);
    return text !== null && good(text) ? text : undefined;
  };
  const state = states.find((one) => one === search.get("state")) ?? "claimed";
  const rest = given({ invoice: read("invoice"), seller: read("seller", isTaxId), from: read("from", isDay), to: read("to", isDay) });
  const setFilter = ({ state: next, ...others }: ClaimFilter) =>
    setSearch([...(next === "claimed" ? [] : [["state", next] as [string, string]]), ...Object.entries(others)]);
  return { filter: { state, ...rest }, filtered: Object.keys(rest).length > 0, setFilter };
}

/** A page of the employer's reports. */
export const claimPage = ({ state, invoice, seller, from, to }: ClaimFilter, before: string, limit: number) => {
  const asked = { invoice, seller, ...rangeOf(given({ from, to })), status: state === "all" ? undefined : state, before: before === "" ? undefined : before };
  return ask(api.GET("/v1/claims", { params: { query: { as: "employer", limit, ...given(asked) } } }));
};

type Fields = { invoice?: string; seller?: string; days?: Days };
type Asked = { filter: ClaimFilter; onFilter: (filter: ClaimFilter) => void };

function FilterForm({ filter, onFilter, onDone, children }: Asked & { onDone?: () => void; children?: ReactNode }) {
  const say = useWords();
  const [form] = Form.useForm<Fields>();
  const { state, invoice, seller, from, to } = filter;
  // each by itself: what is being typed in one field stays when another one's place in the address changes
  useEffect(() => form.setFieldValue("invoice", invoice ?? ""), [form, invoice]);
  useEffect(() => form.setFieldValue("seller", seller ?? ""), [form, seller]);
  useEffect(() => form.setFieldValue("days", daysOf({ from, to })), [form, from, to]);
  const submit = (typed: Fields) => {
    const number = typed.invoice?.trim() || undefined;
    const taxId = typed.seller?.trim() ? normaliseTaxId(typed.seller) : undefined;
    // whoever looks for one invoice does not know the state that its report is in
    const wide = number !== undefined && number !== invoice ? "all" : state;
    onDone?.();
    onFilter({ state: wide, ...given({ invoice: number, seller: number === undefined ? undefined : taxId, ...endsOf(typed.days) }) });
  };
  return (
    <Form<Fields>
      form={form}
      layout="vertical"
      className="filters"
      onFinish={submit}
      onValuesChange={(changed) => {
        if (onDone === undefined && "days" in changed) form.submit();
      }}
    >
      <Form.Item name="invoice" label={say("inbox.invoice")}>
        <Input maxLength={200} autoComplete="off" spellCheck={false} />
      </Form.Item>
      <Form.Item
        name="seller"
        label={say("inbox.seller")}
        validateTrigger="onSubmit"
        rules={[
          { validator: (_, text?: string) => (!text?.trim() || isTaxId(normaliseTaxId(text)) ? Promise.resolve() : Promise.reject(say("inbox.seller.bad"))) },
        ]}
      >
        <Input maxLength={40} autoComplete="off" spellCheck={false} />
      </Form.Item>
      <DayFields drawer={onDone !== undefined} labels={{ days: say("inbox.days"), from: say("inbox.from"), to: say("inbox.to") }} />
      <Button htmlType="submit" type={onDone ? "primary" : "default"}>
        {say("inbox.find")}
      </Button>
      {children}
    </Form>
  );
}

export function ClaimFilterBar({ filter, onFilter }: Asked) {
  const say = useWords();
  const stateName = useStateName();
  const { state, from, to, invoice } = filter;
  const count = [from ?? to, invoice].filter(Boolean).length;
  const clear =
    count === 0 ? null : (
      <Button type="link" onClick={() => onFilter({ state })}>
        {say("inbox.clear")}
      </Button>
    );
  return (
    <>
      <FilterPlace count={count} clear={clear}>
        {(onDone) =>
          onDone ? (
            <FilterForm filter={filter} onFilter={onFilter} onDone={onDone} />
          ) : (
            <FilterForm filter={filter} onFilter={onFilter}>
              {clear}
            </FilterForm>
          )
        }
      </FilterPlace>
      <div className="row">
        <Select<ClaimState>
          aria-label={say("inbox.filter")}
          className="state-filter"
          value={state}
          onChange={(next) => onFilter({ ...filter, state: next })}
          options={states.map((value) => ({
            value,
            label: value === "all" ? say("inbox.all") : value === "claimed" ? say("inbox.open.state") : stateName(value),
          }))}
        />
      </div>
    </>
  );
}
