/** The print of an invoice in the page; where the browser shows no PDF in a page (phones), it is saved. */
import { DownloadOutlined } from "@ant-design/icons";
import { useQuery } from "@tanstack/react-query";
import { Button, Modal } from "antd";
import { useEffect, useState } from "react";
import { fetchFile, saveFile } from "../../shared/client.ts";
import { Loaded } from "../../shared/problem.tsx";
import { useWords } from "./messages.ts";

function Print({ blob, number }: { blob: Blob; number: string }) {
  const say = useWords();
  const [url, setUrl] = useState<string | undefined>(undefined);
  useEffect(() => {
    const made = URL.createObjectURL(blob);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [blob]);
  return (
    <div className="stack">
      {url === undefined || navigator.pdfViewerEnabled === false ? (
        <p className="quiet">{say("pdf.none")}</p>
      ) : (
        <iframe className="print" src={url} title={say("pdf.title", { number })} />
      )}
      <div>
        <Button icon={<DownloadOutlined />} onClick={() => saveFile(blob, `${number}.pdf`)}>
          {say("pdf.save")}
        </Button>
      </div>
    </div>
  );
}

export function PdfPreview({ number, onClose }: { number: string; onClose: () => void }) {
  const say = useWords();
  const pdf = useQuery({ queryKey: ["pdf", number], queryFn: () => fetchFile(`/v1/invoices/${number}`, "application/pdf"), staleTime: 60_000 });
  return (
    <Modal open title={say("pdf.title", { number })} footer={null} width={900} onCancel={onClose}>
      <Loaded of={pdf}>{(blob) => <Print blob={blob} number={number} />}</Loaded>
    </Modal>
  );
}
