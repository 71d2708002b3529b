/**
 * The invoice's PDF inside the page. Browsers that cannot show a PDF in a page (phones) open or
 * save it instead.
 */
import { DownloadOutlined } from "@ant-design/icons";
import { Button } from "antd";
import { useBlobUrl } from "./blob.ts";
import { Loaded } from "./problem.tsx";
import { wordsOf } from "./words.ts";

const useWords = wordsOf("pdf", {
  "zh-CN": {
    title: "发票 {{number}} 的版式文件",
    none: "此浏览器无法在页面内显示 PDF，请在新窗口打开，或保存后查看。",
    open: "在新窗口打开",
    save: "保存 PDF",
  },
  "en-US": {
    title: "PDF of invoice {{number}}",
    none: "This browser cannot show a PDF in the page. Open it in a new window, or save it.",
    open: "Open in a new window",
    save: "Save PDF",
  },
});

export function PdfView({ number }: { number: string }) {
  const say = useWords();
  const pdf = useBlobUrl(`/v1/invoices/${number}`, "application/pdf");
  return (
    <Loaded query={pdf}>
      {(url) => (
        <div className="stack">
          {navigator.pdfViewerEnabled === false ? (
            <p className="quiet">{say("none")}</p>
          ) : (
            <iframe
              src={`${url}#navpanes=0&view=FitH`}
              title={say("title", { number })}
              className="preview"
            />
          )}
          <div className="row">
            <Button icon={<DownloadOutlined />} href={url} download={`${number}.pdf`}>
              {say("save")}
            </Button>
            <a href={url} target="_blank" rel="noreferrer">
              {say("open")}
            </a>
          </div>
        </div>
      )}
    </Loaded>
  );
}
