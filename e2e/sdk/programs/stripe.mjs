// Stripe's SDK, which takes a host but no path: the token's own credential says where its requests go.
import Stripe from "stripe";

// #region configure
const { protocol, hostname, port } = new URL(process.env.AIVAULT_URL);
const stripe = new Stripe(process.env.AIVAULT_TOKEN, {
  protocol: protocol.slice(0, -1),
  host: hostname,
  port,
  telemetry: false,
});
// #endregion

const customer = await stripe.customers.create(
  { name: "Jenny Rosen", metadata: { order: "6735" } },
  { idempotencyKey: "once" },
);
const ids = [];
for await (const { id } of stripe.customers.list({ limit: 2 })) ids.push(id);
const refusal = await stripe.payouts.create({ amount: 1, currency: "usd" }).catch((error) => error);

const report = {
  name: customer.name,
  order: customer.metadata.order,
  headers: customer.description,
  ids,
  refusal: refusal.statusCode,
};
process.stdout.write(JSON.stringify(report));
