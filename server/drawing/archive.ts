/**
 * The archive pack: files of invoices as one ZIP, with a manifest of their SHA-256 as the last of
 * them.
 *
 * Owns: the ZIP and the manifest. Files go out as they come, so a pack of a hundred invoices needs
 * the memory of the largest file. Invariants: the same files and time give the same bytes; every
 * file but the manifest itself is in the manifest. Does not own: which files (features/papers).
 */
import { createHash } from "node:crypto";
import { Zip, ZipDeflate, ZipPassThrough } from "fflate";

export const archiveFormat = "onepiao-archive/1";
export type ArchiveFile = { name: string; bytes: Uint8Array };

/** What would only be packed a second time. */
const packed = /\.pdf$/;

/** The bytes of the ZIP, file by file. `made` stands in the manifest and is every file's time. */
export async function* packArchive(
  files: AsyncIterable<ArchiveFile> | Iterable<ArchiveFile>,
  made: Date,
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
    entry.mtime = made;
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
  put({
    name: "manifest.json",
    bytes: Buffer.from(
      `${JSON.stringify({ format: archiveFormat, made: made.toISOString(), files: listed }, null, 2)}\n`,
    ),
  });
  zip.end();
  yield* take();
}
