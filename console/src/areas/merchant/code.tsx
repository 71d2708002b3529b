/** An invoice's QR code: for verification, and for pickup while nobody holds the invoice. */
import { useQuery } from "@tanstack/react-query";
import { Typography } from "antd";
import { useBlobUrl } from "../../shared/blob.ts";
import { ask, Refusal } from "../../shared/client.ts";
import { Loaded, ProblemNote } from "../../shared/problem.tsx";
import { useWords } from "./messages.ts";

/**
 * The pickup link while the invoice waits for its customer. An invoice that is already picked up is
 * not an error.
 */
function Pickup({ number }: { number: string }) {
  const say = useWords();
  const pickup = useQuery({
    queryKey: ["pickup", number],
    queryFn: () => ask("GET /v1/invoices/{number}/pickup", { params: { number } }),
  });
  if (
    pickup.error instanceof Refusal &&
    ["already-taken-over", "wrong-state", "not-found"].includes(pickup.error.code)
  ) {
    return <p className="quiet">{say("pickup.taken")}</p>;
  }
  return (
    <Loaded query={pickup}>
      {({ url }) => (
        <div className="stack">
          <p>{say("pickup.how")}</p>
          <Typography.Text
            copyable={{ text: url, tooltips: [say("pickup.copy"), say("pickup.copied")] }}
          >
            {say("pickup.link")}
          </Typography.Text>
          <p className="quiet small">{say("pickup.secret")}</p>
        </div>
      )}
    </Loaded>
  );
}

export function Code({ number, waits }: { number: string; waits: boolean }) {
  const say = useWords();
  const picture = useBlobUrl(`/v1/invoices/${number}/qr`, "image/svg+xml");
  return (
    <div className="row code-row">
      {picture.data === undefined ? (
        <ProblemNote error={picture.error} onRetry={() => void picture.refetch()} />
      ) : (
        <img
          src={picture.data}
          width={184}
          height={184}
          className="code"
          alt={say(waits ? "pickup.code" : "code.alt", { number })}
        />
      )}
      <div className="grows">
        {waits ? <Pickup number={number} /> : <p className="quiet">{say("code.how")}</p>}
      </div>
    </div>
  );
}
