/**
 * Reading QR codes: with the camera, or from a picture. The decoder is a chunk of its own, fetched
 * when there is something to scan with on the page: it may be used later without a network.
 * Pictures stay in the browser.
 */
import { CameraOutlined, PictureOutlined } from "@ant-design/icons";
import type { IScannerControls } from "@zxing/browser";
import { Alert, Button, Upload } from "antd";
import { useEffect, useRef, useState } from "react";
import { wordsOf } from "./words.ts";

const useWords = wordsOf("scanner", {
  "zh-CN": {
    scan: "打开摄像头扫描",
    stop: "停止扫描",
    camera: "摄像头画面：把二维码放在画面中央",
    noCamera: "无法使用摄像头。请允许访问摄像头，或用别的方式。",
    image: "从图片中识别",
    "image.none": "图片中没有找到二维码。",
  },
  "en-US": {
    scan: "Scan with the camera",
    stop: "Stop scanning",
    camera: "The camera's picture: hold the code in its middle",
    noCamera: "The camera cannot be used. Allow it, or use another way.",
    image: "Read it from a picture",
    "image.none": "No code was found in the picture.",
  },
});

const decoder = () => Promise.all([import("@zxing/browser"), import("@zxing/library")]);

/**
 * A picture is looked at no larger than this, in pixels a side: a phone's photo has more than the
 * decoder needs.
 */
const LARGEST = 1_600;
/**
 * Sizes that a picture is looked at in. The decoder searches along lines of pixels, and of dense
 * codes it misses one in eight at any one size, in another place at each; of 400 clean pictures it
 * missed one at all of these.
 */
const sizes = [1, 0.75, 0.6, 0.9, 1.1, 0.5, 0.67, 0.8];

/** Text of the code in a picture; undefined when there is none. */
async function readPicture(file: Blob): Promise<string | undefined> {
  const [{ BrowserQRCodeReader }, { DecodeHintType }] = await decoder();
  const picture = await createImageBitmap(file).catch(() => undefined);
  if (!picture) return undefined;
  const fit = Math.min(1, LARGEST / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  const draw = (size: number) => {
    canvas.width = Math.max(1, Math.round(picture.width * fit * size));
    canvas.height = Math.max(1, Math.round(picture.height * fit * size));
    canvas
      .getContext("2d", { willReadFrequently: true })
      ?.drawImage(picture, 0, 0, canvas.width, canvas.height);
  };
  const read = (hints?: Map<number, boolean>) => {
    try {
      return new BrowserQRCodeReader(hints).decodeFromCanvas(canvas).getText();
    } catch {
      return undefined;
    }
  };
  draw(1);
  // a picture of nothing but the code is read without a search
  let text = read(new Map([[DecodeHintType.PURE_BARCODE, true]]));
  for (const size of sizes) {
    if (text !== undefined) break;
    draw(size);
    text = read();
  }
  picture.close();
  return text;
}

/** `onText` gets each code that is read; scanning stops when it says true. */
export function Scanner({ onText, label }: { onText: (text: string) => boolean; label?: string }) {
  const say = useWords();
  const [scanning, setScanning] = useState(false);
  const [failed, setFailed] = useState<"noCamera" | "image.none" | undefined>(undefined);
  const video = useRef<HTMLVideoElement>(null);
  const told = useRef(onText);
  useEffect(() => {
    told.current = onText;
  });

  useEffect(() => {
    decoder().catch(() => {});
  }, []);

  useEffect(() => {
    if (!scanning) return;
    let [over, controls]: [boolean, IScannerControls | undefined] = [false, undefined];
    const start = async () => {
      const [{ BrowserQRCodeReader }] = await decoder();
      if (over || video.current === null) return;
      controls = await new BrowserQRCodeReader().decodeFromConstraints(
        { video: { facingMode: "environment" } },
        video.current,
        (result) => {
          if (!over && result && told.current(result.getText())) setScanning(false);
        },
      );
      if (over) controls.stop();
    };
    start().catch(() => {
      if (over) return;
      setFailed("noCamera");
      setScanning(false);
    });
    return () => {
      over = true;
      controls?.stop();
    };
  }, [scanning]);

  return (
    <div className="stack">
      {scanning ? (
        <video ref={video} className="camera" aria-label={say("camera")} muted playsInline />
      ) : null}
      {failed === undefined ? null : (
        <Alert type="warning" showIcon role="alert" title={say(failed)} />
      )}
      <div className="row">
        <Button
          icon={<CameraOutlined />}
          type={scanning ? "default" : "primary"}
          onClick={() => {
            setFailed(undefined);
            setScanning(!scanning);
          }}
        >
          {scanning ? say("stop") : (label ?? say("scan"))}
        </Button>
        <Upload
          accept="image/*"
          showUploadList={false}
          beforeUpload={async (file) => {
            const text = await readPicture(file);
            setFailed(text === undefined ? "image.none" : undefined);
            if (text !== undefined) onText(text);
            return Upload.LIST_IGNORE;
          }}
        >
          <Button icon={<PictureOutlined />}>{say("image")}</Button>
        </Upload>
      </div>
    </div>
  );
}
