"""HTTP in front of a Triton: remove.bg's protocol, rembg's, and a web page. It uses only the public `tuft`."""
