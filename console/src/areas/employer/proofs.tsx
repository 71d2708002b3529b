/** What is proven of an external invoice, and what nobody here has checked. */
import { CheckCircleOutlined, QuestionCircleOutlined } from "@ant-design/icons";
import type { Schemas } from "../../shared/client.ts";
import { holds } from "./checks.ts";
import { useWords } from "./messages.ts";

type Proof = Schemas["ExternalInvoiceSummary"]["proven"][number];

type Proven = { proven: readonly Proof[]; notProven: readonly Proof[]; claim: { status: string } };

export function Proofs({
  external: { proven: all, notProven: open, claim },
}: {
  external: Proven;
}) {
  const say = useWords();
  // the claim proves this, as long as it exists
  const proven = all.filter((proof) => proof !== "once-in-this-network" || holds(claim.status));
  const notProven =
    proven.length === all.length ? open : [...open, "once-in-this-network" as const];
  return (
    <div className="two">
      <section>
        <h3>{say("proofs.proven")}</h3>
        <ul className="checks">
          {proven.map((proof) => (
            <li key={proof} className="check check-good">
              <span className="check-icon">
                <CheckCircleOutlined />
              </span>
              {say(`proof.${proof}`)}
            </li>
          ))}
        </ul>
      </section>
      <section>
        <h3>{say("proofs.notProven")}</h3>
        <ul className="checks">
          {notProven.map((proof) => (
            <li key={proof} className="check check-warn">
              <span className="check-icon">
                <QuestionCircleOutlined />
              </span>
              {say(`unproven.${proof}`)}
            </li>
          ))}
        </ul>
      </section>
    </div>
  );
}
