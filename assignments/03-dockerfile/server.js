// A web server that answers every request with a greeting.
const http = require("node:http");
const banner = require("banner"); // installed by `npm install`

const greeting = process.env.GREETING || "hello from your own image";
const port = Number(process.env.PORT);
if (!port) {
  console.error("PORT is not set: on which port shall I listen?");
  process.exit(1);
}

const server = http.createServer((request, response) => {
  response.end(banner(greeting) + "\n");
});

server.listen(port, () => console.log(`listening on port ${port}`));

// `docker stop` sends SIGTERM: finish, and end with exit status 0.
process.on("SIGTERM", () => {
  console.log("SIGTERM received, closing");
  server.close(() => process.exit(0));
});
