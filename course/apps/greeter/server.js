// A web server that answers every request with a greeting.
const http = require("node:http");
const shout = require("shout"); // installed by `npm install`

const server = http.createServer((request, response) => {
  response.end(shout("hello from your own image") + "\n");
});

server.listen(3000, () => console.log("listening on port 3000"));

// `docker stop` sends SIGTERM: finish, and end with exit status 0.
process.on("SIGTERM", () => {
  console.log("SIGTERM received, closing");
  server.close(() => process.exit(0));
});
