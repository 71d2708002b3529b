/**
 * The archive pack: a ZIP that any tool opens, and a manifest that names every file by its hash.
 */
import { createHash } from "node:crypto";
import { expect } from "chai";
import { strFromU8, unzipSync } from "fflate";
import { type ArchiveFile, packArchive } from "../../server/drawing/archive.ts";

const made = new Date("2026-11-03T04:31:09Z");
const pack = async (files: AsyncIterable<ArchiveFile> | Iterable<ArchiveFile>): Promise<Buffer> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of packArchive(files, made)) chunks.push(chunk);
  return Buffer.concat(chunks);
};
const files: ArchiveFile[] = [
  { name: "26442000000000000001/invoice.pdf", bytes: Buffer.from("%PDF-1.7 …") },
  { name: "26442000000000000001/发票.xml", bytes: Buffer.from("<票/>".repeat(1000)) },
  { name: "26442000000000000001/empty", bytes: Buffer.alloc(0) },
];

describe("an archive pack", () => {
  it("has every file as it was, and a manifest with the hash of each as the last", async () => {
    const packed = await pack(files);
    const unpacked = unzipSync(packed);
    expect(Object.keys(unpacked)).to.deep.equal([
      ...files.map(({ name }) => name),
      "manifest.json",
    ]);
    for (const { name, bytes } of files)
      expect(Buffer.from(unpacked[name] as Uint8Array).equals(Buffer.from(bytes))).to.equal(true);
    const manifest = JSON.parse(strFromU8(unpacked["manifest.json"] as Uint8Array));
    expect([manifest.format, manifest.made]).to.deep.equal([
      "onepiao-archive/1",
      made.toISOString(),
    ]);
    expect(manifest.files).to.deep.equal(
      files.map(({ name, bytes }) => ({
        name,
        size: bytes.length,
        sha256: createHash("sha256").update(bytes).digest("hex"),
      })),
    );
    expect(packed.length).to.be.below(2000);
  });

  it("is the same bytes for the same files and time", async () => {
    expect((await pack(files)).equals(await pack(files))).to.equal(true);
  });

  it("goes out file by file, and fails with the file that fails", async () => {
    let asked = 0;
    async function* some(): AsyncGenerator<ArchiveFile> {
      for (const file of files) {
        asked += 1;
        yield file;
      }
      throw new Error("the store is gone");
    }
    const bytes = packArchive(some(), made);
    expect((await bytes.next()).done).to.equal(false);
    expect(asked).to.equal(1);
    let failure = "";
    try {
      for await (const _ of bytes);
    } catch (error) {
      failure = (error as Error).message;
    }
    expect(failure).to.equal("the store is gone");
  });
});
