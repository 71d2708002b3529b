/**
 * The archive pack: files of invoices as one ZIP, ending with a manifest of their SHA-256.
 *
 * Owns: the ZIP and the manifest. Each file is written as it arrives, so a pack of a hundred
 * invoices needs the memory of the largest file. Invariants: the same files and time give the same
 * bytes; the manifest lists every file but itself. Does not own: which files
 * (features/proof/papers.ts).
 */
import { createHash } from "node:crypto";
import { Zip, ZipDeflate, ZipPassThrough } from "fflate";

export const archiveFormat = "onepiao-archive/1";
export type ArchiveFile = { name: string; bytes: Uint8Array };

/** Files that are already compressed. */
const packed = /\.pdf$/;

/**
 * The bytes of the ZIP, file by file. `createdAt` is in the manifest, and it is the time of every
 * file.
 */
export async function* packArchive(
  files: AsyncIterable<ArchiveFile> | Iterable<ArchiveFile>,
  createdAt: Date,
): AsyncGenerator<Uint8Array> {
  let ready: Uint8Array[] = [];
  let failed: Error | undefined;
  const zip = new Zip((error, chunk) => {
    if (error) failed = error;
    else ready.push(chunk);
  });
  const take = () => {
    if (failed) throw failed;
    const chunks = ready;
    ready = [];
    return chunks;
  };
  const put = ({ name, bytes }: ArchiveFile) => {
    const entry = packed.test(name) ? new ZipPassThrough(name) : new ZipDeflate(name, { level: 6 });
    entry.mtime = createdAt;
    zip.add(entry);
    entry.push(bytes, true);
  };
  const listed: { name: string; size: number; sha256: string }[] = [];
  for await (const file of files) {
    listed.push({
      name: file.name,
      size: file.bytes.length,
      sha256: createHash("sha256").update(file.bytes).digest("hex"),
    });
    put(file);
    yield* take();
  }
  const manifest = { format: archiveFormat, made: createdAt.toISOString(), files: listed };
  put({ name: "manifest.json", bytes: Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`) });
  zip.end();
  yield* take();
}
