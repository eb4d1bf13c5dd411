mod rooms;
mod wire;
