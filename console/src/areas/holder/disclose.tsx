/**
 * A proof of chosen parts of an invoice: a bundle that hides the other parts behind their digests.
 */
import { DownloadOutlined } from "@ant-design/icons";
import { Button, Checkbox, Modal } from "antd";
import { useState } from "react";
import type { Schemas } from "../../shared/client.ts";
import { useDownload } from "../../shared/download.ts";
import { ProblemNote } from "../../shared/problem.tsx";
import { useWords } from "./messages.ts";

type Part = keyof Schemas["Bundle"]["parts"];
/** Every part, from the API's own list, in the order in which people look for them. */
const order: Record<Part, true> = {
  seller: true,
  date: true,
  total: true,
  currency: true,
  kind: true,
  buyer: true,
  tax: true,
  lines: true,
  remark: true,
  passengers: true,
  sellerDetails: true,
  buyerDetails: true,
  terms: true,
  origin: true,
  reverses: true,
};
const parts = Object.keys(order) as Part[];
const few: Part[] = ["seller", "date", "total"];

export function Disclose({
  number,
  open,
  onClose,
}: {
  number: string;
  open: boolean;
  onClose: () => void;
}) {
  const say = useWords();
  const [chosen, setChosen] = useState<Part[]>(few);
  const download = useDownload();
  const save = () =>
    download.mutate(
      {
        path: `/v1/invoices/${number}/bundle?disclose=${chosen.join(",")}`,
        accept: "application/json",
        name: `${number}.bundle.json`,
      },
      { onSuccess: onClose },
    );
  return (
    <Modal
      title={say("disclose.title")}
      open={open}
      onCancel={onClose}
      onOk={save}
      okText={say("disclose.save")}
      okButtonProps={{ icon: <DownloadOutlined />, disabled: chosen.length === 0 }}
      confirmLoading={download.isPending}
      destroyOnHidden
    >
      <div className="stack">
        <p className="quiet">{say("disclose.how")}</p>
        <div className="row">
          <Button size="small" onClick={() => setChosen(few)}>
            {say("disclose.few")}
          </Button>
          <Button size="small" onClick={() => setChosen(parts)}>
            {say("disclose.all")}
          </Button>
        </div>
        <fieldset className="plain">
          <legend className="quiet">{say("disclose.parts")}</legend>
          <Checkbox.Group
            className="one-column"
            value={chosen}
            onChange={setChosen}
            options={parts.map((value) => ({ value, label: say(`part.${value}`) }))}
          />
        </fieldset>
        <ProblemNote error={download.error} />
      </div>
    </Modal>
  );
}
