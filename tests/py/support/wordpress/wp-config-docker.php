<?php
// The environment decides, under the names of the official image.
function from_environment(string $name, string $otherwise): string {
    $value = getenv($name);
    return $value === false ? $otherwise : $value;
}

define('DB_NAME', from_environment('WORDPRESS_DB_NAME', 'wordpress'));
define('DB_USER', from_environment('WORDPRESS_DB_USER', 'example username'));
define('DB_PASSWORD', from_environment('WORDPRESS_DB_PASSWORD', 'example password'));
define('DB_HOST', from_environment('WORDPRESS_DB_HOST', 'mysql'));
define('DB_CHARSET', from_environment('WORDPRESS_DB_CHARSET', 'utf8mb4'));
define('DB_COLLATE', from_environment('WORDPRESS_DB_COLLATE', ''));
foreach (['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'] as $name) {
    define("{$name}_KEY", from_environment("WORDPRESS_{$name}_KEY", "put your unique phrase here $name key"));
    define("{$name}_SALT", from_environment("WORDPRESS_{$name}_SALT", "put your unique phrase here $name salt"));
}
$table_prefix = from_environment('WORDPRESS_TABLE_PREFIX', 'wp_');
define('WP_DEBUG', from_environment('WORDPRESS_DEBUG', '') !== '');
define('WP_HTTP_BLOCK_EXTERNAL', true); // tests have no internet: do not wait for it
if (!defined('ABSPATH')) {
    define('ABSPATH', __DIR__ . '/');
}
require_once ABSPATH . 'wp-settings.php';
