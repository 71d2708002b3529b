/** Confirmation sheets of red letters (红字信息确认单). */

const open: readonly string[] = ["01", "02", "03", "04"];
/**
 * Whether a sheet may still lead to a red letter: it waits for a confirmation, or for the red
 * letter's number.
 */
export const isOpenSheet = ({
  status,
  number,
}: {
  status: string;
  number?: string | undefined;
}): boolean => number === undefined && open.includes(status);
