/**
 * What filters above lists share: days, which are China's whatever clock the browser has, and where the form stands.
 */
import { FilterOutlined } from "@ant-design/icons";
import { Button, DatePicker, Drawer, Form, Grid } from "antd";
import dayjs, { type Dayjs } from "dayjs";
import { type ReactNode, useState } from "react";
import { wordsOf } from "./words.ts";

const useWords = wordsOf("filter", {
  "zh-CN": { filter: "筛选", "filter.count": "筛选（{{count}}）" },
  "en-US": { filter: "Filter", "filter.count": "Filter ({{count}})" },
});

/** Without what is undefined. */
export const given = <T extends object>(values: T) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> };

export const isDay = (text: string) => /^\d{4}-\d\d-\d\d$/.test(text) && dayjs(text).format("YYYY-MM-DD") === text;
/** Midnight in China, so many days later. */
const midnight = (day: string | undefined, later: number) =>
  day === undefined ? undefined : `${dayjs(day).add(later, "day").format("YYYY-MM-DD")}T00:00:00+08:00`;
/** From when on, and before when. */
export const rangeOf = ({ from, to }: Ends) => ({ from: midnight(from, 0), to: midnight(to, 1) });

/** As the pickers give them. */
export type Days = [Dayjs | null, Dayjs | null] | null;
type Ends = { from?: string | undefined; to?: string | undefined };
export const daysOf = ({ from, to }: Ends): Days => (from || to ? [from ? dayjs(from) : null, to ? dayjs(to) : null] : null);
/** The first day and the last one, in whatever order they were picked. */
export function endsOf(days: Days | undefined): Ends {
  const [first, last] = [days?.[0]?.format("YYYY-MM-DD"), days?.[1]?.format("YYYY-MM-DD")];
  return first && last && first > last ? { from: last, to: first } : { from: first, to: last };
}

/** Fields of a form, named `days`. In a drawer one for each end: two months beside each other are wider than a phone. */
export function DayFields({ drawer, labels }: { drawer: boolean; labels: { days: string; from: string; to: string } }) {
  if (!drawer)
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

/** A filter's form: beside the list on a desk; on a phone behind a button, in a drawer that `onDone` closes. */
export function FilterPlace({ count, clear, children }: { count: number; clear: ReactNode; children: (onDone?: () => void) => ReactNode }) {
  const say = useWords();
  const desk = Grid.useBreakpoint().md ?? true;
  const [open, setOpen] = useState(false);
  if (desk) return children();
  return (
    <div className="row">
      <Button icon={<FilterOutlined />} onClick={() => setOpen(true)} aria-haspopup="dialog">
        {count === 0 ? say("filter") : say("filter.count", { count })}
      </Button>
      {clear}
      <Drawer open={open} onClose={() => setOpen(false)} placement="bottom" title={say("filter")} destroyOnHidden>
        {children(() => setOpen(false))}
      </Drawer>
    </div>
  );
}
