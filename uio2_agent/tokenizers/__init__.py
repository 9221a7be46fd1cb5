"""Pictures and sounds to codes and back, one module per network; weights keep their official names."""
