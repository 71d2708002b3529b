/**
 * The public page: is this invoice what it claims to be, and what is its state? By printed details,
 * by file, or by QR code.
 */
import { FileSearchOutlined, InboxOutlined, SearchOutlined } from "@ant-design/icons";
import { useMutation } from "@tanstack/react-query";
import { Alert, Button, Card, DatePicker, Form, Input, Tabs, Upload } from "antd";
import dayjs, { type Dayjs } from "dayjs";
import { useCallback, useEffect, useState } from "react";
import { useLocation, useNavigate } from "react-router";
import { ButtonLink } from "../../shared/button-link.tsx";
import { isDay } from "../../shared/days.ts";
import { Page } from "../../shared/frame.tsx";
import {
  isNationalCode,
  linkOf,
  linkWith,
  nationalCodeIn,
  type Printed,
  type QrContent,
  readPrinted,
  readQr,
} from "../../shared/links.ts";
import { ProblemNote } from "../../shared/problem.tsx";
import { Scanner } from "../../shared/scanner.tsx";
import { digitsOf, figureOf } from "../../shared/typed.ts";
import { useWords } from "./messages.ts";
import { Result } from "./result.tsx";
import { prepare, verify } from "./verify.ts";

const MAX_BYTES = 1_048_576;
type Way = "printed" | "file" | "scan";
type Fields = { number?: string; date?: Dayjs; total?: string };

const fieldsOf = ({ number, date, total }: Partial<Printed>): Fields => ({
  ...(number ? { number } : {}),
  ...(date && isDay(date) ? { date: dayjs(date) } : {}),
  ...(total ? { total } : {}),
});
const isWhole = (printed: Partial<Printed>): printed is Printed =>
  Boolean(printed.number && printed.date && printed.total);

/** A form rule on the normalised text. */
const readAs = (read: (text?: string) => string, pattern: RegExp, message: string) => ({
  validator: (_: unknown, text?: string) =>
    pattern.test(read(text)) ? Promise.resolve() : Promise.reject(message),
});

function ByPrint({
  given: printed,
  busy,
  onAsk,
}: {
  given: Partial<Printed>;
  busy: boolean;
  onAsk: (printed: Printed) => void;
}) {
  const say = useWords();
  return (
    <Form<Fields>
      layout="vertical"
      requiredMark={false}
      initialValues={fieldsOf(printed)}
      onFinish={({ number = "", date, total = "" }) =>
        onAsk({
          number: digitsOf(number),
          date: date?.format("YYYY-MM-DD") ?? "",
          total: figureOf(total),
        })
      }
    >
      <Form.Item
        name="number"
        label={say("verify.number")}
        required
        rules={[readAs(digitsOf, /^\d{20}$/, say("verify.number.bad"))]}
      >
        <Input inputMode="numeric" autoComplete="off" size="large" />
      </Form.Item>
      <div className="two">
        <Form.Item
          name="date"
          label={say("verify.date")}
          rules={[{ required: true, message: say("verify.date.bad") }]}
        >
          <DatePicker size="large" className="full" />
        </Form.Item>
        <Form.Item
          name="total"
          label={say("verify.total")}
          required
          rules={[readAs(figureOf, /^-?\d+\.\d{2}$/, say("verify.total.bad"))]}
        >
          <Input inputMode="decimal" autoComplete="off" size="large" />
        </Form.Item>
      </div>
      <Button
        type="primary"
        size="large"
        htmlType="submit"
        icon={<SearchOutlined />}
        loading={busy}
      >
        {say("verify.do")}
      </Button>
    </Form>
  );
}

function ByFile({ busy, onAsk }: { busy: boolean; onAsk: (file: File) => void }) {
  const say = useWords();
  const [large, setLarge] = useState(false);
  return (
    <div className="stack">
      {large ? <Alert type="warning" showIcon role="alert" title={say("verify.tooLarge")} /> : null}
      <Upload.Dragger
        showUploadList={false}
        disabled={busy}
        beforeUpload={(file) => {
          setLarge(file.size > MAX_BYTES);
          if (file.size <= MAX_BYTES) onAsk(file);
          return Upload.LIST_IGNORE;
        }}
      >
        <p className="drop-icon">
          <InboxOutlined />
        </p>
        <p>{say("verify.drop")}</p>
        <p className="quiet small">{say("verify.drop.help")}</p>
      </Upload.Dragger>
    </div>
  );
}

export function Component() {
  const say = useWords();
  const navigate = useNavigate();
  const location = useLocation();
  const [way, setWay] = useState<Way>("printed");
  const [printed, setGiven] = useState<Partial<Printed>>({});
  const [pickup, setPickup] = useState<string | undefined>(undefined);
  const [unknown, setUnknown] = useState(false);
  const verifying = useMutation({ mutationFn: verify });
  const { mutate, reset } = verifying;
  const { search, hash } = location;

  /** Takes the content of a code and verifies it at once. */
  const take = useCallback(
    (content: QrContent) => {
      setGiven({ number: content.number, date: content.date, total: content.gross });
      setPickup(content.pickup === undefined ? undefined : new URL(linkOf(content)).hash);
      mutate({ by: "code", content });
    },
    [mutate],
  );

  // a link: removed from the address bar, which must not keep a pickup secret
  useEffect(() => {
    if (search === "" && hash === "") return;
    const content = readQr(linkWith(hash));
    const printed = readPrinted({ search, hash });
    const text = nationalCodeIn(hash);
    if (content) take(content);
    else if (text !== undefined) mutate({ by: "text", text });
    else {
      setGiven(printed);
      if (isWhole(printed)) mutate({ by: "print", printed });
    }
    navigate("/verify", { replace: true });
  }, [search, hash, take, mutate, navigate]);

  // loads now, because the network may be gone when it is needed
  useEffect(prepare, []);

  const scanned = (text: string): boolean => {
    const content = readQr(text);
    const national = content === undefined && isNationalCode(text);
    setUnknown(content === undefined && !national);
    if (content) take(content);
    else if (national) mutate({ by: "text", text });
    return content !== undefined || national;
  };
  const again = () => {
    reset();
    setGiven({});
    setPickup(undefined);
  };

  return (
    <Page title={say("verify.title")} narrow>
      <div className="stack">
        {verifying.data ? null : <p className="quiet">{say("verify.how")}</p>}
        {pickup === undefined ? null : (
          <Alert
            type="info"
            showIcon
            title={say("verify.pickup")}
            description={say("verify.pickup.detail")}
            action={
              <ButtonLink to={`/holder/pickup${pickup}`} type="primary">
                {say("verify.pickup.take")}
              </ButtonLink>
            }
          />
        )}
        {verifying.data ? (
          <>
            <Result answer={verifying.data} />
            <div>
              <Button icon={<FileSearchOutlined />} onClick={again}>
                {say("verify.again")}
              </Button>
            </div>
          </>
        ) : (
          <Card>
            <Tabs
              activeKey={way}
              onChange={(key) => setWay(key as Way)}
              items={[
                {
                  key: "printed",
                  label: say("verify.printed"),
                  children: (
                    <ByPrint
                      key={JSON.stringify(printed)}
                      given={printed}
                      busy={verifying.isPending}
                      onAsk={(printed) => mutate({ by: "print", printed })}
                    />
                  ),
                },
                {
                  key: "file",
                  label: say("verify.file"),
                  children: (
                    <ByFile
                      busy={verifying.isPending}
                      onAsk={(file) => mutate({ by: "file", file })}
                    />
                  ),
                },
                {
                  key: "scan",
                  label: say("verify.scan"),
                  children: (
                    <div className="stack">
                      {unknown ? (
                        <Alert
                          type="warning"
                          showIcon
                          role="alert"
                          title={say("verify.scan.unknown")}
                        />
                      ) : null}
                      {way === "scan" ? <Scanner onText={scanned} /> : null}
                    </div>
                  ),
                },
              ]}
            />
            <ProblemNote error={verifying.error} />
          </Card>
        )}
      </div>
    </Page>
  );
}
