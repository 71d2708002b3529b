/**
 * Reads QR codes from the camera or from a picture. The decoder is its own chunk and loads as soon
 * as a page offers scanning, so that it also works later without a network. Pictures stay in the
 * browser.
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
    camera: "摄像头画面：请将二维码对准画面中央",
    noCamera: "无法使用摄像头。请允许访问摄像头，或改用其他方式。",
    image: "从图片中识别",
    "image.none": "图片中未找到二维码。",
  },
  "en-US": {
    scan: "Scan with the camera",
    stop: "Stop scanning",
    camera: "Camera view: hold the QR code in the middle",
    noCamera: "The camera is not available. Allow access to it, or use another way.",
    image: "Read from a picture",
    "image.none": "There is no QR code in this picture.",
  },
});

const decoder = () => Promise.all([import("@zxing/browser"), import("@zxing/library")]);

/**
 * The longest side, in pixels, at which a picture is decoded. A phone's photo is larger than the
 * decoder needs.
 */
const LARGEST = 1_600;
/**
 * The sizes at which a picture is decoded. The decoder searches along lines of pixels and misses
 * one in eight dense codes at any single size, but a different one at each. Of 400 clean pictures
 * it missed one at all of these sizes.
 */
const sizes = [1, 0.75, 0.6, 0.9, 1.1, 0.5, 0.67, 0.8];

/** The text of the QR code in a picture, or undefined if there is none. */
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
  // a picture that contains only the code needs no search
  let text = read(new Map([[DecodeHintType.PURE_BARCODE, true]]));
  for (const size of sizes) {
    if (text !== undefined) break;
    draw(size);
    text = read();
  }
  picture.close();
  return text;
}

/** Calls `onText` for each code. Scanning stops when it returns true. */
export function Scanner({ onText, label }: { onText: (text: string) => boolean; label?: string }) {
  const say = useWords();
  const [scanning, setScanning] = useState(false);
  const [failed, setFailed] = useState<"noCamera" | "image.none" | undefined>(undefined);
  const video = useRef<HTMLVideoElement>(null);
  const callback = useRef(onText);
  useEffect(() => {
    callback.current = onText;
  });

  useEffect(() => {
    decoder().catch(() => {});
  }, []);

  useEffect(() => {
    if (!scanning) return;
    let [stopped, controls]: [boolean, IScannerControls | undefined] = [false, undefined];
    const start = async () => {
      const [{ BrowserQRCodeReader }] = await decoder();
      if (stopped || video.current === null) return;
      controls = await new BrowserQRCodeReader().decodeFromConstraints(
        { video: { facingMode: "environment" } },
        video.current,
        (result) => {
          if (!stopped && result && callback.current(result.getText())) setScanning(false);
        },
      );
      if (stopped) controls.stop();
    };
    start().catch(() => {
      if (stopped) return;
      setFailed("noCamera");
      setScanning(false);
    });
    return () => {
      stopped = true;
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
