/** Small elements that look the same everywhere: states, amounts, times, numbers, accounts. */
import {
  CheckCircleOutlined,
  ClockCircleOutlined,
  CloseCircleOutlined,
  FileDoneOutlined,
  InboxOutlined,
  RollbackOutlined,
  StopOutlined,
  SwapOutlined,
} from "@ant-design/icons";
import { Tag, Typography } from "antd";
import dayjs from "dayjs";
import type { ReactNode } from "react";
import { formatAmount } from "./amounts.ts";
import { clockOf } from "./days.ts";
import { useSharedWords } from "./messages.ts";
import { useLanguage } from "./words.ts";

const looks = {
  accepted: [<ClockCircleOutlined key="i" />, "wait"],
  issued: [<FileDoneOutlined key="i" />, "good"],
  claimed: [<InboxOutlined key="i" />, "busy"],
  reimbursed: [<CheckCircleOutlined key="i" />, "done"],
  reversed: [<StopOutlined key="i" />, "bad"],
  submitted: [<ClockCircleOutlined key="i" />, "wait"],
  refused: [<CloseCircleOutlined key="i" />, "bad"],
  rejected: [<RollbackOutlined key="i" />, "bad"],
  withdrawn: [<RollbackOutlined key="i" />, "quiet"],
  offered: [<SwapOutlined key="i" />, "wait"],
  completed: [<CheckCircleOutlined key="i" />, "done"],
  declined: [<CloseCircleOutlined key="i" />, "quiet"],
  active: [<CheckCircleOutlined key="i" />, "good"],
  suspended: [<StopOutlined key="i" />, "bad"],
} as const satisfies Record<string, readonly [ReactNode, string]>;

export type State = keyof typeof looks;

export function useStateName(): (state: string) => string {
  const say = useSharedWords();
  return (state) => (Object.hasOwn(looks, state) ? say(`state.${state as State}`) : state);
}

/** The state of an invoice, a claim, a transfer or a party: icon and text, never colour alone. */
export function StateTag({ state }: { state: string }) {
  const name = useStateName();
  const [icon, look] = Object.hasOwn(looks, state) ? looks[state as State] : [undefined, "quiet"];
  return (
    <Tag icon={icon} variant="outlined" className={`state state-${look}`}>
      {name(state)}
    </Tag>
  );
}

export const Money = ({
  amount,
  currency,
  strong = false,
}: {
  amount: string;
  currency?: string;
  strong?: boolean;
}) => (
  <span className={strong ? "money money-strong" : "money"}>{formatAmount(amount, currency)}</span>
);

type Sum = { currency: string; gross: string; payable: string };
/**
 * What is to be paid, in several currencies, which are never added together. If the gross differs,
 * it stands below.
 */
export function Total({ amounts }: { amounts: readonly Sum[] }) {
  const say = useSharedWords();
  const sum = (member: "gross" | "payable") =>
    amounts.map((each) => formatAmount(each[member], each.currency)).join(" + ");
  return (
    <span className="money">
      {sum("payable")}
      {sum("payable") === sum("gross") ? null : (
        <span className="quiet small block">{say("amount.gross", { amount: sum("gross") })}</span>
      )}
    </span>
  );
}

/**
 * A moment by the browser's clock, with the exact one as a tooltip. `written`: by the clock where
 * it was written, as printed on an invoice.
 */
export function Time({
  at,
  date = false,
  written = false,
}: {
  at: string | undefined;
  date?: boolean;
  written?: boolean;
}) {
  const [language] = useLanguage();
  if (at === undefined) return <>—</>;
  const format =
    language === "zh-CN"
      ? date
        ? "YYYY年M月D日"
        : "YYYY-MM-DD HH:mm:ss"
      : date
        ? "D MMM YYYY"
        : "D MMM YYYY, HH:mm:ss";
  return (
    <time dateTime={at} title={at}>
      {dayjs(written ? clockOf(at) : at).format(format)}
    </time>
  );
}

/**
 * Content that may be wider than the page, such as a table. It scrolls, also by keyboard.
 */
export const Wide = ({ label, children }: { label: string; children: ReactNode }) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
  <section className="wide" aria-label={label} tabIndex={0}>
    {children}
  </section>
);

/** A longer number may break: sellers elsewhere have numbers of 150 characters. */
const LONGEST_LINE = 24;

/** Twenty digits in groups, so that people can compare them. Copying leaves out the gaps. */
export const InvoiceNumber = ({
  number,
  copyable = false,
}: {
  number: string;
  copyable?: boolean;
}) => (
  <Typography.Text
    className={number.length > LONGEST_LINE ? "number long" : "number"}
    copyable={copyable ? { text: number } : false}
  >
    {number.length === 20
      ? number.replace(/^(\d{5})(\d{5})(\d{5})(\d{5})$/, "$1 $2 $3 $4")
      : number}
  </Typography.Text>
);

export const Account = ({ account, whole = false }: { account: string; whole?: boolean }) => (
  <Typography.Text className="number" copyable={{ text: account }} title={account}>
    {whole ? account : `${account.slice(0, 6)}…${account.slice(-4)}`}
  </Typography.Text>
);
