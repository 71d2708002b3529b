/**
 * Shared parts of the filters above lists: the form, its fields, and the range of days in China.
 */
import { FilterOutlined } from "@ant-design/icons";
import { Button, DatePicker, Drawer, Form, Grid, Input } from "antd";
import dayjs, { type Dayjs } from "dayjs";
import { type ReactNode, useEffect, useState } from "react";
import type { Ends } from "./days.ts";
import { wordsOf } from "./words.ts";

const useWords = wordsOf("filter", {
  "zh-CN": { filter: "筛选", "filter.count": "筛选（{{count}}）" },
  "en-US": { filter: "Filter", "filter.count": "Filter ({{count}})" },
});

/** The value of a date range picker. */
export type Days = [Dayjs | null, Dayjs | null] | null;
const daysOf = ({ from, to }: Ends): Days =>
  from || to ? [from ? dayjs(from) : null, to ? dayjs(to) : null] : null;

/**
 * Where a filter form stands. `onDone` closes its drawer; `aside` follows its button on a desk.
 */
export type Place = { onDone?: (() => void) | undefined; aside?: ReactNode };

/** Puts a filter beside the list on a desk, and behind a button in a drawer on a phone. */
export function FilterPlace({
  count,
  clear,
  children,
}: {
  count: number;
  clear: ReactNode;
  children: (place: Place) => ReactNode;
}) {
  const say = useWords();
  const desk = Grid.useBreakpoint().md ?? true;
  const [open, setOpen] = useState(false);
  if (desk) return children({ aside: clear });
  return (
    <div className="row">
      <Button icon={<FilterOutlined />} onClick={() => setOpen(true)} aria-haspopup="dialog">
        {count === 0 ? say("filter") : say("filter.count", { count })}
      </Button>
      {clear}
      <Drawer
        open={open}
        onClose={() => setOpen(false)}
        placement="bottom"
        title={say("filter")}
        destroyOnHidden
      >
        {children({ onDone: () => setOpen(false) })}
      </Drawer>
    </div>
  );
}

type Finding<T> = {
  place: Place;
  find: string;
  busy?: boolean;
  onFind: (typed: T) => void;
  children: ReactNode;
};

/** The filter form. On a desk it searches as soon as days are chosen. */
export function FilterForm<T extends object>({
  place: { onDone, aside },
  find,
  busy = false,
  onFind,
  children,
}: Finding<T>) {
  const [form] = Form.useForm<T>();
  return (
    <Form<T>
      form={form}
      layout="vertical"
      className="filters"
      onFinish={(typed) => {
        onDone?.();
        onFind(typed);
      }}
      onValuesChange={(changed) => {
        if (onDone === undefined && "days" in changed) form.submit();
      }}
    >
      {children}
      <Button htmlType="submit" type={onDone ? "primary" : "default"} loading={busy}>
        {find}
      </Button>
      {aside}
    </Form>
  );
}

type TextField = {
  name: string;
  label: string;
  value: string | undefined;
  max?: number;
  wrong?: (text: string) => string | undefined;
};

/** `wrong` returns the error message for a typed text. It is shown on submit. */
export function FilterText({ name, label, value = "", max = 200, wrong }: TextField) {
  const form = Form.useFormInstance();
  // each field on its own: while the person types in one field, a change of another field in the
  // address must not reset it
  useEffect(() => form.setFieldValue(name, value), [form, name, value]);
  const validator = (_: unknown, text?: string) => {
    const words = text?.trim() ? wrong?.(text) : undefined;
    return words === undefined ? Promise.resolve() : Promise.reject(words);
  };
  return (
    <Form.Item name={name} label={label} validateTrigger="onSubmit" rules={[{ validator }]}>
      <Input maxLength={max} autoComplete="off" spellCheck={false} />
    </Form.Item>
  );
}

/**
 * The field `days`. In a drawer it has one picker for each end, because two months side by side do
 * not fit on a phone.
 */
export function FilterDays({
  place,
  ends: { from, to },
  labels,
}: {
  place: Place;
  ends: Ends;
  labels: { days: string; from: string; to: string };
}) {
  const form = Form.useFormInstance();
  useEffect(() => form.setFieldValue("days", daysOf({ from, to })), [form, from, to]);
  if (place.onDone === undefined)
    return (
      <Form.Item name="days" label={labels.days}>
        <DatePicker.RangePicker allowEmpty={[true, true]} className="full" />
      </Form.Item>
    );
  return (["from", "to"] as const).map((end, at) => (
    <Form.Item key={end} name={["days", at]} label={labels[end]}>
      <DatePicker inputReadOnly className="full" />
    </Form.Item>
  ));
}
