/** Offers an invoice to another holder. Their account is scanned from their phone, or pasted. */

import { isAccount } from "@onepiao/protocol/values/account.ts";
import { App, Form, Input, Modal } from "antd";
import { accountRule } from "../../shared/account-rule.ts";
import { useAct } from "../../shared/act.ts";
import { ask } from "../../shared/client.ts";
import { ProblemNote } from "../../shared/problem.tsx";
import { Scanner } from "../../shared/scanner.tsx";
import { useWords } from "./messages.ts";

export function HandOn({
  number,
  open,
  onClose,
}: {
  number: string;
  open: boolean;
  onClose: () => void;
}) {
  const say = useWords();
  const { message } = App.useApp();
  const [form] = Form.useForm<{ to: string }>();
  const offer = useAct(
    (to: string, once) =>
      ask("POST /v1/invoices/{number}/transfers", { params: { number }, ...once, body: { to } }),
    {
      refreshes: [["transfers"], ["invoice", number]],
    },
  );
  const send = async () => {
    const { to } = await form.validateFields();
    offer.mutate(to.trim(), {
      onSuccess: () => {
        void message.success(say("handOn.sent"), 6);
        onClose();
      },
    });
  };
  return (
    <Modal
      title={say("handOn.title")}
      open={open}
      onCancel={onClose}
      onOk={() => void send().catch(() => undefined)}
      okText={say("handOn.offer")}
      confirmLoading={offer.isPending}
      destroyOnHidden
    >
      <Form form={form} layout="vertical" requiredMark={false} preserve={false}>
        <Form.Item
          name="to"
          label={say("handOn.to")}
          extra={say("handOn.to.help")}
          rules={[
            { required: true, whitespace: true, message: say("handOn.to.bad") },
            accountRule(say("handOn.to.bad")),
          ]}
        >
          <Input autoComplete="off" spellCheck={false} placeholder="0x…" />
        </Form.Item>
      </Form>
      <div className="stack">
        <Scanner
          label={say("handOn.scan")}
          onText={(text) => {
            const read = isAccount(text.trim());
            if (read) form.setFieldValue("to", text.trim());
            return read;
          }}
        />
        <p className="quiet">{say("handOn.final")}</p>
        <ProblemNote error={offer.error} />
      </div>
    </Modal>
  );
}
