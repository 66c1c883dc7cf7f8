//! Connections, settings, setup guide, permissions, vendor profile
